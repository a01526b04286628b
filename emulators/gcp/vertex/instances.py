"""Rows of a batch prediction's input, as the model gets them and as the output names them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tridock.emulators.gcp.protocol.errors import InvalidArgumentError

FORMATS = ("jsonl", "csv")


@dataclass(frozen=True)
class Instance:
    """One row.

    Attributes
    ----------
    sent : object
        The content of the request's ``instances``.
    label : Mapping
        What the output says beside the prediction: ``instance`` or ``key``.
    error : str
        Why it cannot be sent; empty if it can.
    """

    sent: Any
    label: Mapping[str, Any]
    error: str = ""


@dataclass(frozen=True)
class Transform:
    """Conversion of rows to instances (``InstanceConfig`` in batch_prediction_job.proto).

    Attributes
    ----------
    instance_type : str
        ``"object"``, ``"array"`` or empty: as the format has it.
    key_field : str
        Field that names a row in the output and is not sent.
    included, excluded : tuple of str
        Fields that are sent, or are not; one of them is empty.
    """

    instance_type: str = ""
    key_field: str = ""
    included: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Transform:
        """Read the job's configuration.

        Raises
        ------
        InvalidArgumentError
            If it contradicts itself.
        """
        made = cls(
            config.get("instanceType", ""),
            config.get("keyField", ""),
            tuple(config.get("includedFields", ())),
            tuple(config.get("excludedFields", ())),
        )
        if made.instance_type not in ("", "object", "array"):
            raise InvalidArgumentError(
                f"instance_config.instance_type '{made.instance_type}' is not supported: "
                "'object' or 'array'."
            )
        if made.included and made.excluded:
            raise InvalidArgumentError(
                "instance_config.included_fields and excluded_fields exclude each other."
            )
        return made

    def apply(self, row: Any, *, table: bool) -> Instance:
        """Return the instance of one row; `table`: it came from a CSV file."""
        if not isinstance(row, dict):
            chosen = bool(self.key_field or self.included or self.excluded)
            error = "The row is not an object: its fields cannot be chosen." if chosen else ""
            return Instance(row, {"instance": row}, error)
        sent: Any = {name: value for name, value in row.items() if self._is_sent(name)}
        if self.instance_type == "array" or (table and self.instance_type != "object"):
            sent = list(sent.values())
        if not self.key_field:
            return Instance(sent, {"instance": sent})
        if self.key_field not in row:
            return Instance(sent, {"key": None}, f"The row has no field '{self.key_field}'.")
        return Instance(sent, {"key": row[self.key_field]})

    def _is_sent(self, name: str) -> bool:
        if name == self.key_field or name in self.excluded:
            return False
        return not self.included or name in self.included


def read(text: str, *, form: str, transform: Transform) -> Iterator[Instance]:
    """Yield the instances of one input file of the format `form`, one of `FORMATS`."""
    if form == "csv":
        for row in _table(text):
            if isinstance(row, str):
                yield Instance(row, {"instance": row}, "The row does not fit the header.")
            else:
                yield transform.apply(row, table=True)
        return
    for line in text.splitlines():
        if line.strip():
            yield _line(line, transform)


def _line(line: str, transform: Transform) -> Instance:
    try:
        return transform.apply(json.loads(line), table=False)
    except ValueError as error:
        return Instance(line, {"instance": line}, f"The line is not JSON: {error}")


def _table(text: str) -> Iterator[dict[str, Any] | str]:
    """Yield the rows below the header: quoted cells are strings, others are numbers."""
    lines = io.StringIO(text, newline="")
    header = next(csv.reader(lines), [])
    for raw in lines:
        if not raw.strip():
            continue
        try:
            cells = next(csv.reader([raw], quoting=csv.QUOTE_NONNUMERIC))
            yield dict(zip(header, cells, strict=True))
        except (ValueError, csv.Error):
            yield raw.rstrip("\r\n")
