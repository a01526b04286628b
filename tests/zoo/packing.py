"""Fit and package the models, and keep their own answers beside the bundles.

`python -m tests.zoo.packing FOLDER [WORD…]`: those whose name has one of the words.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.zoo.models import MODELS, boosters
from tridock.inference.errors import InferenceError
from tridock.inference.packaging.package import About, package


def main(folder: Path, words: list[str]) -> None:
    """Package each model into a folder of its own."""
    warnings.simplefilter("ignore")
    chosen = boosters() or MODELS
    for number, (name, fit) in enumerate(chosen.items()):
        if not words or any(word in name for word in words):
            _pack(name, fit, folder / f"{'b' if boosters() else 'm'}{number:02}")


def _pack(name: str, fit: Any, folder: Path) -> None:
    folder.mkdir(parents=True)
    estimator, rows = fit()
    record: dict[str, Any] = {"name": name, "columns": _columns(rows), "rows": _cells(rows)}
    record["labels"] = np.asarray(estimator.predict(rows)).tolist()
    if hasattr(estimator, "predict_proba"):
        record["shares"] = np.asarray(estimator.predict_proba(rows)).tolist()
    try:
        package(estimator, rows, folder / "bundle", about=About("zoo"))
    except InferenceError as error:
        record["refused"] = str(error)
    (folder / "answers.json").write_text(json.dumps(record))


def _columns(rows: Any) -> list[str]:
    if isinstance(rows, list):
        return ["text"]
    return (
        [*map(str, rows)]
        if isinstance(rows, pd.DataFrame)
        else [f"x{i}" for i in range(rows.shape[1])]
    )


def _cells(rows: Any) -> list[list[Any]]:
    if isinstance(rows, list):
        return [[row] for row in rows]
    columns = pd.DataFrame(rows)
    cells = [[_cell(cell) for cell in columns[name].tolist()] for name in columns]
    return [list(row) for row in zip(*cells, strict=True)]


def _cell(cell: Any) -> Any:
    if cell is None or cell is pd.NA or cell != cell:
        return None
    return cell.item() if isinstance(cell, np.generic) else cell


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
