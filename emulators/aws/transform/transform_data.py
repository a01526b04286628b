"""Data of batch transform: split, filter, join and assemble records and results.

Source: Amazon SageMaker Developer Guide, "Use Batch Transform" and "Associate Prediction Results
with Input Records".
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tridock.emulators.aws.transform.jsonpath import Path, PathError

MEGABYTE = 1024 * 1024

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"


class DataError(ValueError):
    """Data that the job cannot process; the message is for the job's log."""


@dataclass(frozen=True)
class Processing:
    """A job's ``DataProcessing``.

    Attributes
    ----------
    input_filter, output_filter : Path
        What the model gets of a record, and what is kept of the result.
    join : bool
        Whether the record and its result are joined before `output_filter`.
    content_type, accept : str
        Media types of records and results.
    """

    input_filter: Path
    output_filter: Path
    join: bool
    content_type: str
    accept: str

    def is_needed(self) -> bool:
        """Return whether a filter or a join is set; without them bytes pass unchanged."""
        return self.join or not (self.input_filter.is_root() and self.output_filter.is_root())

    def before(self, record: bytes) -> bytes:
        """Return the part of a record that the model gets.

        Raises
        ------
        DataError
            If it is not of the content type, or has nothing at the filter.
        """
        if self.input_filter.is_root():
            return record
        return _write(
            _select(self.input_filter, _read(record, self.content_type)), self.content_type
        )

    def after(self, record: bytes, result: bytes) -> bytes:
        """Return what is kept of a record and its result.

        Raises
        ------
        DataError
            See `before`.
        """
        value = _read(result, self.accept)
        if self.join:
            value = joined(_read(record, self.content_type), value)
        return _write(_select(self.output_filter, value), self.accept)


def joined(record: Any, result: Any) -> Any:
    """Join a record and its result: columns in a row, ``SageMakerOutput`` in an object."""
    if isinstance(record, _Row):
        return _Row([*record, *(result if isinstance(result, list) else [result])])
    if isinstance(record, dict):
        return {**record, "SageMakerOutput": result}
    return {"SageMakerInput": record, "SageMakerOutput": result}


def records(data: bytes, *, by_line: bool) -> list[bytes]:
    """Split an object into its records: lines, or the whole."""
    if not by_line:
        return [data]
    lines = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return lines if lines[-1] else lines[:-1]


def batches(lines: Sequence[bytes], *, limit: int, several: bool) -> Iterator[list[bytes]]:
    """Group records into requests: one each, or as many as fit.

    Parameters
    ----------
    limit : int
        Most bytes of one request; 0 for no limit.
    several : bool
        Whether a request may hold more than one record.

    Raises
    ------
    DataError
        If a single record is longer than `limit`.
    """
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if limit and len(line) > limit:
            raise DataError(
                f"a record of {len(line)} bytes exceeds MaxPayloadInMB ({limit // MEGABYTE} MB)"
            )
        if batch and (not several or (limit and size + 1 + len(line) > limit)):
            yield batch
            batch, size = [], 0
        size += len(line) + bool(batch)
        batch.append(line)
    if batch:
        yield batch


def results(answer: bytes, count: int, *, by_line: bool) -> list[bytes]:
    """Split the answer to a request of `count` records into one result for each.

    Raises
    ------
    DataError
        If there are more or fewer results than records.
    """
    parts = records(answer, by_line=by_line)
    if len(parts) != count:
        raise DataError(
            "Fail to join data: mismatched line count between the input and the output "
            f"({count} records, {len(parts)} results)"
        )
    return parts


def assemble(parts: Sequence[bytes], *, by_line: bool) -> bytes:
    """Put results together in their order, each with one newline at its end if `by_line`."""
    if not by_line:
        return b"".join(parts)
    return b"".join(part.removesuffix(b"\n") + b"\n" for part in parts)


class _Row(list[Any]):
    """A line of CSV, which JSONPath sees as an array."""


def _read(record: bytes, media_type: str) -> Any:
    try:
        text = record.decode()
        if media_type == CSV:
            return _Row(next(csv.reader([text.rstrip("\r\n")], strict=True), []))
        return json.loads(text)
    except (ValueError, csv.Error) as error:
        raise DataError(f"Fail to parse {record[:80]!r} as {media_type}: {error}") from error


def _write(value: Any, media_type: str) -> bytes:
    if media_type != CSV:
        return json.dumps(value, ensure_ascii=False).encode()
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(value if isinstance(value, list) else [value])
    return text.getvalue().encode()


def _select(path: Path, document: Any) -> Any:
    try:
        return path.select(document)
    except PathError as error:
        raise DataError(str(error)) from error
