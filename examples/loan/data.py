"""Made-up loan applications, drawn from a seed: no person stands behind any of them.

How an application comes about:

* ``age`` is 18 to 80 years. Of those under 65, 70 % are employed, 15 % self-employed, 10 %
  unemployed and 5 % retired; of the older ones nearly all are retired.
* ``income`` (a year's, in thousands) is log-normal around a median by employment, and grows with
  age until 50. About 5 % of the applicants leave it out.
* ``credit_score`` is 300 to 850, around 680, lower for the unemployed.
* ``loan_amount`` (in thousands) and ``term_months`` are wishes; ``purpose`` says what for.
* ``gender`` is tossed like a coin and touches nothing else: it is no feature, and is there so
  that fairness can be measured.

A bank approves by score, by the yearly burden (amount over term, against income), by employment,
and by some luck. What it thinks of is a sum of these; above 0 it approves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

FEATURES = (
    "age",
    "income",
    "credit_score",
    "employment",
    "loan_amount",
    "term_months",
    "purpose",
)
TARGET = "decision"
EMPLOYMENT = ("employed", "self-employed", "unemployed", "retired")
PURPOSES = ("car", "education", "home", "other")
TERMS = (12, 24, 36, 48, 60)
#: Median yearly income by employment, in thousands.
MEDIAN_INCOME = {"employed": 48.0, "self-employed": 52.0, "unemployed": 15.0, "retired": 26.0}
MISSING_INCOMES = 0.05


def generate(rows: int, seed: int) -> pd.DataFrame:
    """Draw applications.

    Parameters
    ----------
    rows : int
        How many.
    seed : int
        The same seed draws the same applications.

    Returns
    -------
    DataFrame
        Columns `FEATURES`, ``gender``, and `TARGET`: ``"approved"`` or ``"declined"``.
    """
    dice = np.random.default_rng(seed)
    age = dice.integers(18, 81, rows)
    employment = _employment(dice, age)
    income = _income(dice, age, employment)
    score = _credit_score(dice, employment)
    amount = np.round(np.clip(dice.lognormal(np.log(12), 0.7, rows), 1, 150), 1)
    term = dice.choice(TERMS, rows)
    approved = _opinion(dice, score, income, amount / term * 12, employment) > 0
    applications = pd.DataFrame(
        {
            "age": age,
            "income": np.where(dice.random(rows) < MISSING_INCOMES, np.nan, income),
            "credit_score": score,
            "employment": employment,
            "loan_amount": amount,
            "term_months": term,
            "purpose": dice.choice(PURPOSES, rows),
            "gender": dice.choice(("female", "male"), rows),
        }
    )
    return applications.assign(**{TARGET: np.where(approved, "approved", "declined")})


def _employment(dice: np.random.Generator, age: Any) -> Any:
    young = dice.choice(EMPLOYMENT, age.size, p=(0.70, 0.15, 0.10, 0.05))
    old = dice.choice(EMPLOYMENT, age.size, p=(0.03, 0.02, 0.0, 0.95))
    return np.where(age < 65, young, old)


def _income(dice: np.random.Generator, age: Any, employment: Any) -> Any:
    median = np.array([MEDIAN_INCOME[each] for each in employment.tolist()])
    growth = 1 + 0.012 * (np.minimum(age, 50) - 35)
    return np.round(median * growth * dice.lognormal(0, 0.35, age.size), 1)


def _credit_score(dice: np.random.Generator, employment: Any) -> Any:
    mean = np.where(employment == "unemployed", 630, 685)
    return np.clip(np.round(dice.normal(mean, 70)), 300, 850).astype(int)


def _opinion(
    dice: np.random.Generator, score: Any, income: Any, burden: Any, employment: Any
) -> Any:
    share = np.minimum(burden / income, 1.5)
    steady = np.where(employment == "unemployed", -1.0, 0.2)
    return (score - 640) / 60 + 0.3 - 4 * share + steady + dice.normal(0, 0.6, score.size)
