"""The baseline: how features and predictions were distributed at packaging, to see drift later."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import numpy as np

from tridock.inference.data.cells import finite
from tridock.inference.data.field import Field

#: Quantiles are kept at every 5 %: deciles for PSI, a distribution function for KS.
QUANTILES = 21
BINS = 20
#: The most frequent categories are counted each, the others together.
MAX_COUNTED = 100


@dataclass(frozen=True)
class Numeric:
    """Statistics of numbers; None where one is beyond double precision or there are no numbers.

    Attributes
    ----------
    count, missing : int
        Values present, and values that were not.
    mean, std, minimum, maximum : float or None
        Of the values present; `std` is the population's.
    quantiles : tuple of float
        At evenly spaced shares from 0 to 1, both included.
    edges : tuple of float
        Edges of equally wide bins, one more than `counts`.
    counts : tuple of int
        Values per bin; the last bin includes its upper edge.
    """

    count: int
    missing: int
    mean: float | None = None
    std: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    quantiles: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Categorical:
    """Frequencies of the values.

    Attributes
    ----------
    count, missing : int
        Values present, and values that were not.
    counts : Mapping[str, int]
        The most frequent values; what is no string is written as JSON writes it.
    other : int
        Values that are not in `counts`.
    """

    count: int
    missing: int
    counts: Mapping[str, int]
    other: int = 0


@dataclass(frozen=True)
class Text:
    """Lengths of texts, in characters."""

    length: Numeric


Statistics: TypeAlias = Numeric | Categorical | Text
_KINDS: dict[str, type[Any]] = {"numeric": Numeric, "categorical": Categorical}


@dataclass(frozen=True)
class Baseline:
    """Statistics of the sample a bundle was packaged with.

    Attributes
    ----------
    features : Mapping[str, Statistics]
        By field name.
    predictions : tuple of Statistics
        One per output.
    confidence : Numeric or None
        Of the highest class probability of each row, where the model gives probabilities.
    """

    features: Mapping[str, Statistics] = field(default_factory=dict)
    predictions: tuple[Statistics, ...] = ()
    confidence: Numeric | None = None

    def record(self) -> dict[str, Any]:
        """Return this as JSON-ready values."""
        return {
            "features": {name: _record(feature) for name, feature in self.features.items()},
            "predictions": [_record(prediction) for prediction in self.predictions],
            "confidence": self.confidence and _record(self.confidence),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Baseline:
        """Read what `record` wrote."""
        confidence = record["confidence"] and _statistics(record["confidence"])
        return cls(
            {name: _statistics(each) for name, each in record["features"].items()},
            tuple(_statistics(each) for each in record["predictions"]),
            confidence,
        )


def of_field(field: Field, cells: Sequence[Any]) -> Statistics:
    """Describe a feature's cells by the kind of statistics that suit its field.

    Parameters
    ----------
    field : Field
        What the cells hold.
    cells : sequence
        JSON values; None where one is missing.
    """
    if field.dtype == "string" and not field.categories:
        return Text(numeric([None if cell is None else len(cell) for cell in cells]))
    if field.dtype in ("string", "boolean") or field.categories:
        return categorical(cells)
    return numeric(cells)


def numeric(values: Sequence[float | None]) -> Numeric:
    """Describe numbers; None counts as missing."""
    present = np.array([value for value in values if value is not None], dtype=np.float64)
    missing = len(values) - present.size
    if not present.size:
        return Numeric(0, missing)
    with np.errstate(all="ignore"):
        tame = np.isfinite(np.ptp(present))
        quantiles = np.quantile(present, np.linspace(0, 1, QUANTILES if tame else 0))
        counts, edges = _histogram(present) if tame else ([], [])
        return Numeric(
            count=int(present.size),
            missing=missing,
            mean=finite(float(present.mean())),
            std=finite(float(present.std())),
            minimum=float(present.min()),
            maximum=float(present.max()),
            quantiles=tuple(float(quantile) for quantile in quantiles),
            edges=tuple(float(edge) for edge in edges),
            counts=tuple(int(count) for count in counts),
        )


def categorical(values: Sequence[Any]) -> Categorical:
    """Count values; None counts as missing."""
    present = [value for value in values if value is not None]
    counted = Counter(each if isinstance(each, str) else json.dumps(each) for each in present)
    kept = dict(counted.most_common(MAX_COUNTED))
    return Categorical(
        len(present), len(values) - len(present), kept, len(present) - sum(kept.values())
    )


def _histogram(values: Any) -> tuple[Any, Any]:
    try:
        return np.histogram(values, bins=BINS)
    except ValueError:  # The bins would be narrower than double precision can distinguish.
        return [values.size], [values.min(), values.max()]


def _record(statistics: Statistics) -> dict[str, Any]:
    return {"kind": type(statistics).__name__.lower(), **asdict(statistics)}


def _statistics(record: Mapping[str, Any]) -> Any:
    rest = {key: value for key, value in record.items() if key != "kind"}
    if record["kind"] == "text":
        return Text(Numeric(**_tuples(rest["length"])))
    return _KINDS[record["kind"]](**_tuples(rest))


def _tuples(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: tuple(value) if isinstance(value, list) else value for key, value in record.items()
    }
