"""Requests that are right, for each of the examples: what fuzzing begins with."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

Row = Any


@dataclass(frozen=True)
class Subject:
    """One model to be asked.

    Attributes
    ----------
    name : str
        The example.
    draw : callable
        Draws a row that the model takes.
    fields : tuple of str
        Its columns.
    """

    name: str
    draw: Callable[[Random], Row]
    fields: tuple[str, ...]

    @property
    def infer(self) -> str:
        """Where tensors go."""
        return f"/v2/models/{self.name}/infer"


@dataclass(frozen=True)
class Question:
    """One request before it is bytes on a wire."""

    route: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)


def _iris(dice: Random) -> Row:
    return [round(dice.uniform(0.1, 8), 1) for _ in range(4)]


def _loan(dice: Random) -> Row:
    return {
        "age": dice.randint(18, 80),
        "income": dice.choice([None, round(dice.uniform(5, 200), 1)]),
        "credit_score": dice.randint(300, 850),
        "employment": dice.choice(["employed", "self-employed", "unemployed", "retired"]),
        "loan_amount": round(dice.uniform(1, 150), 1),
        "term_months": dice.choice([12, 24, 36, 48, 60]),
        "purpose": dice.choice(["car", "education", "home", "other"]),
    }


WORDS = [
    "free",
    "phone",
    "you have",
    "won",
    "click",
    "noon",
    "lunch",
    "äöü",
    "😀",
    "",
    '"',
    ",",
    "\n",
]


def _spam(dice: Random) -> Row:
    return " ".join(dice.choice(WORDS) for _ in range(dice.randint(1, 8)))


LOAN = ("age", "income", "credit_score", "employment", "loan_amount", "term_months", "purpose")
IRIS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
SUBJECTS = {
    "iris": Subject("iris", _iris, IRIS),
    "loan": Subject("loan", _loan, LOAN),
    "spam": Subject("spam", _spam, ("text",)),
}


def question(subject: Subject, dice: Random) -> Question:
    """Draw a right request: any route, any form, one row or a few."""
    rows = [subject.draw(dice) for _ in range(dice.choice([1, 1, 1, 2, 5]))]
    form = dice.choice([_envelope, _envelope, _envelope, _csv, _lines, _tensors, _binary])
    return form(subject, rows, dice)


def _envelope(subject: Subject, rows: list[Row], dice: Random) -> Question:
    route = dice.choice(["/predict", "/invocations", "/score"])
    value: Any = {dice.choice(["instances", "features", "inputs"]): rows}
    if dice.random() < 0.2:
        value = rows
    elif dice.random() < 0.3:
        value["parameters"] = {"probabilities": dice.random() < 0.8}
    elif len(rows) == 1 and subject.name != "spam":
        value = {"features": rows[0]}
    if dice.random() < 0.1:
        route += "?probabilities=" + dice.choice(["true", "false", "1", "yes"])
    return Question(route, json.dumps(value, ensure_ascii=dice.random() < 0.5).encode())


def _cells(row: Row) -> list[str]:
    values = row.values() if isinstance(row, dict) else row if isinstance(row, list) else [row]
    return ["" if value is None else str(value) for value in values]


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if set(cell) & set('",\n') else cell


def _csv(subject: Subject, rows: list[Row], dice: Random) -> Question:
    lines = [",".join(map(_quoted, _cells(row))) for row in rows]
    media = dice.choice(["text/csv", "text/csv; header=absent", "text/csv; charset=utf-8"])
    if dice.random() < 0.3:
        lines, media = [",".join(subject.fields), *lines], "text/csv; header=present"
    return Question("/invocations", "\n".join(lines).encode(), (("content-type", media),))


def _lines(subject: Subject, rows: list[Row], dice: Random) -> Question:
    media = dice.choice(["application/jsonlines", "application/x-ndjson"])
    return Question(
        "/invocations", "\n".join(map(json.dumps, rows)).encode(), (("content-type", media),)
    )


def tensors(subject: Subject, rows: list[Row]) -> list[dict[str, Any]]:
    """Make the Open Inference protocol's tensors of rows."""
    if subject.name == "iris":
        data = [value for row in rows for value in row]
        return [{"name": "input", "shape": [len(rows), 4], "datatype": "FP64", "data": data}]
    if subject.name == "spam":
        return [{"name": "text", "shape": [len(rows)], "datatype": "BYTES", "data": rows}]
    kinds = {"employment": "BYTES", "purpose": "BYTES", "income": "FP64", "loan_amount": "FP64"}
    return [
        {
            "name": name,
            "shape": [len(rows)],
            "datatype": kinds.get(name, "INT64"),
            "data": [row[name] for row in rows],
        }
        for name in LOAN
    ]


def _tensors(subject: Subject, rows: list[Row], dice: Random) -> Question:
    value: dict[str, Any] = {"id": str(dice.randint(0, 9)), "inputs": tensors(subject, rows)}
    if dice.random() < 0.3:
        value["outputs"] = [{"name": dice.choice(["predict", "predict_proba", "else"])}]
    if dice.random() < 0.2:
        value["parameters"] = {"binary_data_output": dice.random() < 0.7}
    return Question(subject.infer, json.dumps(value).encode())


def _binary(subject: Subject, rows: list[Row], dice: Random) -> Question:
    """Send numbers as bytes after the JSON, which loan and spam do for their first tensor."""
    inputs, blobs = tensors(subject, rows), b""
    for tensor in inputs[:1]:
        data = tensor.pop("data")
        blob = b"".join(_packed(tensor["datatype"], value) for value in data)
        tensor["parameters"] = {"binary_data_size": len(blob)}
        blobs += blob
    text = json.dumps({"inputs": inputs}).encode()
    length = ("inference-header-content-length", str(len(text)))
    media = ("content-type", dice.choice(["application/octet-stream", "application/json"]))
    return Question(subject.infer, text + blobs, (media, length))


def _packed(datatype: str, value: Any) -> bytes:
    if datatype == "BYTES":
        raw = str(value).encode()
        return struct.pack("<I", len(raw)) + raw
    return struct.pack("<d" if datatype == "FP64" else "<q", value)
