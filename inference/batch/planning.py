"""Plan of a job by its options, the contents of its files and the model's signature."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tridock.inference.batch import csvrows, jsonrows, parquetrows
from tridock.inference.batch.files import File, Format
from tridock.inference.batch.plan import Header, Plan
from tridock.inference.data.cells import listing, shown
from tridock.inference.data.signature import OutputSignature, Signature
from tridock.inference.errors import BatchError

_HEADERS = {
    Format.CSV: csvrows.header,
    Format.LINES: jsonrows.header,
    Format.PARQUET: parquetrows.header,
}


@dataclass(frozen=True)
class BatchOptions:
    """Options of a batch job, as the user gave them.

    Attributes
    ----------
    inputs : tuple of File
        What to read, in order.
    output : File
        What to write.
    probabilities : bool
        Whether to write the classes' probabilities too.
    keep : tuple of str or None
        Columns to write beside the predictions; None for all.
    """

    inputs: tuple[File, ...]
    output: File
    probabilities: bool = False
    keep: tuple[str, ...] | None = None


def plan(wish: BatchOptions, signature: Signature, answers: OutputSignature) -> Plan:
    """Decide how the rows are read, checked and written.

    Raises
    ------
    BatchError
        If a file lacks a column, files differ, or a column has a prediction's name already.
    """
    if wish.probabilities and not answers.probabilities:
        raise BatchError("this model gives no probabilities: leave out --probabilities")
    read = _HEADERS[wish.inputs[0].format]
    headers = tuple(read(file, signature.names) for file in wish.inputs)
    if wish.inputs[0].format is not Format.LINES:
        _alike(wish.inputs, headers)
    columns = headers[0].names
    carried = columns if wish.keep is None else wish.keep
    if missing := [name for name in carried if name not in columns]:
        raise BatchError(
            f"there is no column {listing(map(shown, missing))} to keep: "
            f"{wish.inputs[0].path} has {listing(map(shown, columns))}"
        )
    made = Plan(wish.inputs, wish.output, headers, carried, signature, answers, wish.probabilities)
    _check_names(made)
    if made.reads is Format.PARQUET:
        _check_types(made)
    return made


def _alike(files: Sequence[File], headers: Sequence[Header]) -> None:
    first = headers[0]
    for file, header in zip(files, headers, strict=True):
        if other := set(first.names) ^ set(header.names):
            raise BatchError(
                f"{file.path} and {files[0].path} have not the same columns: only one has "
                f"{listing(map(shown, sorted(other)))}"
            )


def _check_names(plan: Plan) -> None:
    if taken := set(plan.carried) & set(plan.added):
        name = min(taken)
        raise BatchError(
            f"the input has a column {shown(name)} already: leave it out with --keep and the names "
            "of the others, or rename it"
        )


def _check_types(plan: Plan) -> None:
    first = parquetrows.schema(plan.inputs[0])
    for file in plan.inputs[1:]:
        columns = parquetrows.schema(file)
        for name in plan.carried:
            if columns.field(name).type != first.field(name).type:
                raise BatchError(
                    f"column {shown(name)} is of type {columns.field(name).type} in {file.path} "
                    f"and {first.field(name).type} in {plan.inputs[0].path}"
                )


def names(text: str | None) -> tuple[str, ...] | None:
    """Read the value of ``--keep``: names between commas; none if it is empty; None for all."""
    if text is None:
        return None
    return tuple(dict.fromkeys(_stripped(text.split(","))))


def _stripped(parts: Iterable[str]) -> Iterable[str]:
    return (part.strip() for part in parts if part.strip())


def partial(output: Path) -> Path:
    """Return the folder of an unfinished job."""
    return output.with_name(output.name + ".partial")
