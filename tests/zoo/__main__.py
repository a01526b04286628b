"""The table of models: packaged, compiled, and how far the served answers are from the model's own.

`python -m tests.zoo [WORD…]`: those whose name has one of the words. Every row of each model's
data is sent to the app over HTTP, as JSON, CSV and tensors of Open Inference.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.inference.asking import Asked
from tests.zoo.models import REFUSED
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.bundle.manifest import Manifest

ROOT = Path(__file__).parents[2]
BOOSTERS = ROOT / ".venvs" / "boosters" / "bin" / "python"
DATATYPES = {"number": "FP64", "integer": "INT64", "boolean": "BOOL", "string": "BYTES"}
WIDTHS = (30, 9, 58, 5, 24)


@dataclass(frozen=True)
class Line:
    """One model's results: differences by JSON, CSV and v2; infinite where a label differs."""

    name: str
    packaged: bool
    compiled: str
    rows: int
    differences: tuple[float, ...] = ()
    precision: str = ""

    @property
    def is_right(self) -> bool:
        """Whether all labels are identical and probabilities as near as the precision allows."""
        if not self.packaged:
            return self.name in REFUSED and REFUSED[self.name] in self.compiled
        allowed = 1e-9 if self.precision in ("", "double") else 1e-5
        return self.name not in REFUSED and max(self.differences) <= allowed

    def __str__(self) -> str:
        apart = " ".join(f"{each:7.1e}" for each in self.differences)
        cells = (self.name, "yes" if self.packaged else "refused", self.compiled, self.rows, apart)
        return " ".join(
            str(cell)[:width].ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)
        )


def lines(words: list[str]) -> list[Line]:
    """Package the models in new processes, serve each, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        for python in (Path(sys.executable), BOOSTERS):
            if python.exists():
                subprocess.run(
                    [python, "-m", "tests.zoo.packing", folder, *words],
                    cwd=ROOT,
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                    check=True,
                )
        return [_line(each) for each in sorted(Path(folder).iterdir())]


def _line(folder: Path) -> Line:
    record = json.loads((folder / "answers.json").read_text())
    rows = len(record["rows"])
    if "refused" in record:
        return Line(record["name"], False, record["refused"], rows)
    manifest = Bundle.read(folder / "bundle").manifest
    found = manifest.compiled
    precision = found.precision if found else ""
    compiled = f"{precision} precision" if found else f"no: {manifest.not_compiled}"
    asked = Asked(folder / "bundle")
    bodies = (_as_json(record), _as_csv(record), _as_tensors(record, manifest))
    apart = tuple(_apart(asked, record, *body) for body in bodies)
    return Line(record["name"], True, compiled, rows, apart, precision)


def _as_json(record: Any) -> tuple[str, str, bytes]:
    rows = [row[0] for row in record["rows"]] if record["columns"] == ["text"] else record["rows"]
    return "/predict", "application/json", json.dumps({"instances": rows}).encode()


def _as_csv(record: Any) -> tuple[str, str, bytes]:
    out = io.StringIO()
    csv.writer(out).writerows([record["columns"], *record["rows"]])
    return "/predict", "text/csv", out.getvalue().encode()


def _as_tensors(record: Any, manifest: Manifest) -> tuple[str, str, bytes]:
    assert manifest.signature is not None
    columns = zip(manifest.signature.fields, zip(*record["rows"], strict=True), strict=True)
    inputs = [
        {
            "name": field.name,
            "shape": [len(cells)],
            "datatype": DATATYPES[field.dtype],
            "data": cells,
        }
        for field, cells in columns
    ]
    names = ["predict", "predict_proba"] if "shares" in record else ["predict"]
    body = {"inputs": inputs, "outputs": [{"name": name} for name in names]}
    return "/v2/models/zoo/infer", "application/json", json.dumps(body).encode()


def _apart(asked: Asked, record: Any, path: str, media: str, body: bytes) -> float:
    shares = "shares" in record
    query = "?probabilities=true" if shares and path == "/predict" else ""
    reply = asked.post(path + query, body, content_type=media, accept="application/json")
    assert reply.status_code == 200, f"{record['name']}, {media}: {reply.text[:300]}"
    labels, found = _read(reply.json(), shares=shares)
    worst = _labels_apart(labels, record["labels"])
    if shares:
        worst = max(worst, float(np.abs(np.array(found) - record["shares"]).max()))
    return worst


def _read(answer: Any, *, shares: bool) -> tuple[list[Any], list[Any]]:
    if "outputs" in answer:
        outputs = {each["name"]: each for each in answer["outputs"]}
        labels = outputs["predict"]["data"]
        if not shares:
            return labels, []
        told = outputs["predict_proba"]
        return labels, np.array(told["data"]).reshape(told["shape"]).tolist()
    found = answer["predictions"]
    if not shares:
        return found, []
    return (
        [each["prediction"] for each in found],
        [list(each["probabilities"].values()) for each in found],
    )


def _labels_apart(found: list[Any], expected: list[Any]) -> float:
    if not isinstance(expected[0], float):
        return 0.0 if found == expected else float("inf")
    numbers = np.array(expected)
    return float((np.abs(np.array(found) - numbers) / np.maximum(np.abs(numbers), 1.0)).max())


def main() -> int:
    """Print the table."""
    heads = ("model", "packaged", "compiled, or why not", "rows", "largest difference JSON CSV v2")
    print(" ".join(head.ljust(width) for head, width in zip(heads, WIDTHS, strict=True)))
    found = lines(sys.argv[1:])
    for line in found:
        print(line if line.is_right else f"{line}  WRONG")
    wrong = sum(not line.is_right for line in found)
    made = sum(line.packaged for line in found)
    compiled = sum(bool(line.precision) for line in found)
    refused = sum(line.is_right and not line.packaged for line in found)
    print(
        f"{len(found)} models: {made} packaged, {compiled} compiled, "
        f"{refused} refused with the right message, {wrong} wrong"
    )
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
