"""The models that are served: trained here, kept as joblib for the peers and as a bundle for us."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: So many different rows are sent in turn.
ROWS = 64
SEED = 5


@dataclass(frozen=True)
class Model:
    """One model, the rows that are sent, and what scikit-learn says of them.

    Attributes
    ----------
    rows : list
        Lists of numbers, or objects of named fields.
    labels : list of str
        What each must be answered with.
    folder : Path
        Holds ``model.joblib`` and ``bundle``.
    """

    name: str
    title: str
    rows: list[Any]
    labels: list[str]
    folder: Path

    @property
    def joblib(self) -> Path:
        """The model as scikit-learn users keep it."""
        return self.folder / "model.joblib"

    @property
    def bundle(self) -> Path:
        """The same model, packaged."""
        return self.folder / "bundle"

    @property
    def is_named(self) -> bool:
        """Whether a row is an object of named fields."""
        return isinstance(self.rows[0], dict)

    def engine(self) -> str:
        """Tell what the server runs by default: onnx or joblib, as the manifest says."""
        manifest = json.loads((self.bundle / "manifest.json").read_bytes())
        return "onnx" if manifest.get("compiled") else "joblib"


def make(name: str, to: Path) -> Model:
    """Train one model and package it under `to`."""
    import joblib

    from tridock.inference.packaging.package import About, package

    title, fit = MODELS[name]
    estimator, table = fit()
    folder = to / name
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(estimator, folder / "model.joblib")
    package(estimator, table, folder / "bundle", about=About(f"bench-{name}"))
    chosen = _complete(table)
    labels = [str(label) for label in estimator.predict(chosen)]
    rows = json.loads(chosen.to_json(orient="records")) if _is_frame(chosen) else chosen.tolist()
    return Model(name, title, rows, labels, folder)


def _complete(table: Any) -> Any:
    """Draw rows with nothing missing: not every peer can be sent a null."""
    if _is_frame(table):
        return table.dropna().sample(ROWS, random_state=SEED)
    import numpy as np

    return table[np.random.default_rng(SEED).choice(len(table), ROWS, replace=False)]


def _is_frame(table: Any) -> bool:
    return hasattr(table, "to_json")


def _logistic() -> tuple[Any, Any]:
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    data = load_iris()
    species = data.target_names[data.target]
    return LogisticRegression(max_iter=1000).fit(data.data, species), data.data


def _forest() -> tuple[Any, Any]:
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier

    data = load_iris()
    species = data.target_names[data.target]
    return RandomForestClassifier(100, random_state=0).fit(data.data, species), data.data


def _loan() -> tuple[Any, Any]:
    from tridock.examples.loan.train import train

    trained = train(C=1.0)
    return trained.model, trained.rows


def _boosting() -> tuple[Any, Any]:
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import HistGradientBoostingClassifier

    data = load_breast_cancer()
    names = data.target_names[data.target]
    return HistGradientBoostingClassifier(random_state=0).fit(data.data, names), data.data


#: What each is called in the report, and what fits it.
MODELS: dict[str, tuple[str, Callable[[], tuple[Any, Any]]]] = {
    "logistic": ("iris, LogisticRegression (4 numbers)", _logistic),
    "forest": ("iris, RandomForest of 100 trees (4 numbers)", _forest),
    "loan": ("loan pipeline (7 named fields)", _loan),
    "boosting": ("breast cancer, HistGradientBoosting (30 numbers)", _boosting),
}
