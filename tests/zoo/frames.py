"""Tables like those of public repositories: passengers, incomes, houses, texts and others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

ROWS = 300


def _with_holes(dice: np.random.Generator, cells: Any, share: float, hole: Any) -> pd.Series[Any]:
    column = pd.Series(list(cells), dtype=object)
    column[dice.random(len(column)) < share] = hole
    return column


def passengers(hole: Any = None) -> tuple[pd.DataFrame, Any]:
    """Make a frame like Titanic's; a missing port is `hole`."""
    dice = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "Pclass": dice.integers(1, 4, ROWS),
            "Sex": dice.choice(["male", "female"], ROWS),
            "Age": np.where(dice.random(ROWS) < 0.2, np.nan, dice.uniform(1, 80, ROWS).round(1)),
            "Fare": dice.gamma(2, 16, ROWS).round(4),
            "Embarked": _with_holes(dice, dice.choice(["S", "C", "Q"], ROWS), 0.2, hole),
        }
    )
    chance = 0.2 + 0.5 * (frame["Sex"] == "female") + 0.25 * frame["Embarked"].isna()
    return frame, (dice.random(ROWS) < chance.to_numpy()).astype(int)


def incomes() -> tuple[pd.DataFrame, Any]:
    """Make a frame like Adult's: labels are texts, a rare category, missing ones are NaN."""
    dice = np.random.default_rng(2)
    work = dice.choice(
        ["Private", "Local-gov", "Self-emp", "Never-worked"], ROWS, p=[0.7, 0.2, 0.08, 0.02]
    )
    frame = pd.DataFrame(
        {
            "age": dice.integers(17, 90, ROWS),
            "workclass": _with_holes(dice, work, 0.1, np.nan),
            "education": dice.choice(["HS-grad", "Bachelors", "Masters"], ROWS),
            "hours": dice.integers(1, 99, ROWS),
            "gain": np.where(dice.random(ROWS) < 0.9, 0.0, dice.uniform(100, 9999, ROWS)),
        }
    )
    rich = (frame["age"] > 40) & (frame["education"] != "HS-grad") ^ (dice.random(ROWS) < 0.1)
    return frame, np.where(rich, ">50K", "<=50K")


def houses() -> tuple[pd.DataFrame, Any]:
    """Make a frame like those of house prices: whole numbers with holes, an alley that is None."""
    dice = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "LotArea": dice.integers(1000, 20000, ROWS),
            "YearBuilt": dice.integers(1900, 2020, ROWS),
            "GarageCars": pd.Series(
                np.where(dice.random(ROWS) < 0.1, np.nan, dice.integers(0, 4, ROWS))
            ),
            "Alley": _with_holes(dice, dice.choice(["Grvl", "Pave"], ROWS), 0.6, None),
            "Zoning": dice.choice(["RL", "RM", "FV"], ROWS),
        }
    )
    price = 50_000 + 8 * frame["LotArea"] + 300 * (frame["YearBuilt"] - 1900)
    return frame, (price * dice.uniform(0.9, 1.1, ROWS)).to_numpy()


def customers() -> tuple[pd.DataFrame, Any]:
    """Make a frame of customers in pandas' nullable types, with a category and a boolean."""
    dice = np.random.default_rng(4)
    tenure = pd.Series(dice.integers(0, 72, ROWS)).astype("Int64")
    tenure = tenure.mask(pd.Series(dice.random(ROWS) < 0.1))
    charge = pd.Series(dice.uniform(18, 120, ROWS).round(2)).astype("Float64")
    charge = charge.mask(pd.Series(dice.random(ROWS) < 0.05))
    frame = pd.DataFrame(
        {
            "tenure": tenure,
            "charge": charge,
            "contract": pd.Categorical(dice.choice(["month", "year", "two years"], ROWS)),
            "paperless": dice.random(ROWS) < 0.6,
            "partner": _with_holes(dice, dice.choice([True, False], ROWS), 0.1, None),
        }
    )
    left = (frame["contract"] == "month").to_numpy() ^ (dice.random(ROWS) < 0.2)
    return frame, left


def sensors() -> tuple[pd.DataFrame, Any]:
    """Make a frame of readings, some of them missing."""
    dice = np.random.default_rng(5)
    readings = dice.normal(size=(ROWS, 6))
    target = np.where(readings[:, 0] + readings[:, 1] ** 2 > 1, "fault", "ok")
    readings[dice.random(readings.shape) < 0.05] = np.nan
    return pd.DataFrame(readings, columns=[f"sensor {index}" for index in range(6)]), target


def texts() -> tuple[list[str], Any]:
    """Make short reviews."""
    dice = np.random.default_rng(6)
    good, bad = ["great", "lovely", "fine", "fast"], ["awful", "slow", "broken", "poor"]
    made, labels = [], []
    for _ in range(ROWS):
        kind = bool(dice.random() < 0.5)
        words = [
            *dice.choice(good if kind else bad, 3),
            *dice.choice(["the", "item", "was", "I"], 4),
        ]
        made.append(" ".join(dice.permutation(words)))
        labels.append("positive" if kind else "negative")
    return made, labels
