"""Time series made comparable: aligned to periods, and reduced to fewer (`Aggregation`)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from typing import Any

from tridock.emulators.gcp.core.histogram import Histogram
from tridock.emulators.gcp.monitoring.descriptors import Value
from tridock.emulators.gcp.protocol.errors import InvalidArgumentError, UnimplementedError

#: Seconds: "The alignment_period must be at least 60 seconds" (Aggregation in common.proto).
SHORTEST = 60.0
PERCENTILES = {"99": 0.99, "95": 0.95, "50": 0.5, "05": 0.05}
_SUMS = ("ALIGN_DELTA", "ALIGN_SUM")
_LATER = ("ALIGN_PERCENT_CHANGE",)


@dataclass(frozen=True)
class Point:
    """A value of an interval; times in seconds since 1970."""

    start: float
    end: float
    value: Value


@dataclass(frozen=True)
class Series:
    """One time series, its points newest first."""

    metric: Mapping[str, str]
    resource: Mapping[str, str]
    points: tuple[Point, ...]
    kind: str = "DELTA"
    value_type: str = "INT64"


@dataclass(frozen=True)
class Aggregation:
    """Alignment and reduction of series.

    Attributes
    ----------
    period : float
        Seconds, 0 for none.
    """

    period: float = 0.0
    aligner: str = "ALIGN_NONE"
    reducer: str = "REDUCE_NONE"
    fields: Sequence[str] = field(default=())

    def check(self) -> None:
        """Refuse what does not fit together.

        Raises
        ------
        InvalidArgumentError
            Naming the field.
        """
        aligned, reduced = self.aligner != "ALIGN_NONE", self.reducer != "REDUCE_NONE"
        if reduced and not aligned:
            raise _invalid(
                "perSeriesAligner",
                self.aligner,
                "An aligner must be specified when a cross series reducer is.",
            )
        if aligned and self.period < SHORTEST:
            raise _invalid(
                "alignmentPeriod",
                f"{self.period:g}s",
                f"The alignment period must be at least {SHORTEST:g} seconds.",
            )


def aligned(series: Series, aggregation: Aggregation, until: float) -> Series:
    """Return a series with one point for each period, counted back from `until`.

    Raises
    ------
    InvalidArgumentError
        If the aligner does not go with such series.
    """
    if aggregation.aligner == "ALIGN_NONE":
        return series
    value_type, kind, align = _aligner(series, aggregation)
    groups: dict[int, list[Value]] = defaultdict(list)
    for point in series.points:
        groups[math.floor((until - point.end) / aggregation.period)].append(point.value)
    points = tuple(
        Point(until - (n + 1) * aggregation.period, until - n * aggregation.period, align(values))
        for n, values in sorted(groups.items())
    )
    if kind == "GAUGE":
        points = tuple(replace(point, start=point.end) for point in points)
    return replace(series, points=points, kind=kind, value_type=value_type)


def reduced(aligned_series: Sequence[Series], aggregation: Aggregation) -> list[Series]:
    """Return one series for each group of those `aligned_series`.

    Raises
    ------
    InvalidArgumentError
        If the reducer does not go with such series.
    """
    if aggregation.reducer == "REDUCE_NONE" or not aligned_series:
        return list(aligned_series)
    value_type, combine = _reducer(aligned_series[0], aggregation)
    groups: dict[tuple[str, ...], list[Series]] = defaultdict(list)
    for series in aligned_series:
        groups[tuple(_field(series, name) for name in aggregation.fields)].append(series)
    return [
        replace(
            group[0],
            metric=_kept(group[0].metric, "metric", aggregation.fields),
            resource=_kept(group[0].resource, "resource", aggregation.fields),
            points=_combined(group, combine),
            value_type=value_type,
            kind="GAUGE" if value_type == "DOUBLE" else group[0].kind,
        )
        for _, group in sorted(groups.items())
    ]


def added(values: Sequence[Value]) -> Value:
    """Return the sum of numbers, or of distributions."""
    total: Value = reduce(add, values)
    return total


_Combine = Callable[[Sequence[Value]], Value]


def _aligner(series: Series, aggregation: Aggregation) -> tuple[str, str, _Combine]:
    name, numeric = aggregation.aligner, series.value_type != "DISTRIBUTION"
    if name in _SUMS:
        return series.value_type, "DELTA", added
    if name == "ALIGN_RATE" and numeric:
        return "DOUBLE", "GAUGE", lambda values: sum(map(_number, values)) / aggregation.period
    if name == "ALIGN_COUNT" and numeric:
        return "INT64", "GAUGE", len
    if name.startswith("ALIGN_PERCENTILE_") and not numeric:
        return "DOUBLE", "GAUGE", _percentile(name)
    if name in _LATER and numeric:
        raise UnimplementedError(f"{name} is not emulated.")
    raise _invalid(
        "perSeriesAligner",
        name,
        f"The aligner cannot be applied to metrics with kind {series.kind} and value type "
        f"{series.value_type}.",
    )


def _reducer(series: Series, aggregation: Aggregation) -> tuple[str, _Combine]:
    name, numeric = aggregation.reducer, series.value_type != "DISTRIBUTION"
    if name == "REDUCE_SUM":
        return series.value_type, added
    if name == "REDUCE_COUNT":
        return "INT64", len
    if name.startswith("REDUCE_PERCENTILE_") and not numeric:
        return "DOUBLE", _percentile(name)
    plain: Mapping[str, _Combine] = {
        "REDUCE_MIN": lambda values: min(map(_number, values)),
        "REDUCE_MAX": lambda values: max(map(_number, values)),
        "REDUCE_MEAN": lambda values: sum(map(_number, values)) / len(values),
    }
    if name in plain and numeric:
        return "DOUBLE" if name == "REDUCE_MEAN" else series.value_type, plain[name]
    if numeric or name in ("REDUCE_MEAN", "REDUCE_STDDEV"):
        raise UnimplementedError(f"{name} is not emulated.")
    raise _invalid(
        "crossSeriesReducer",
        name,
        f"The reducer cannot be applied to metrics with kind {series.kind} and value type "
        f"{series.value_type}.",
    )


def _combined(group: Sequence[Series], combine: _Combine) -> tuple[Point, ...]:
    by_time: dict[tuple[float, float], list[Value]] = defaultdict(list)
    for series in group:
        for point in series.points:
            by_time[point.start, point.end].append(point.value)
    return tuple(
        Point(*interval, combine(values)) for interval, values in sorted(by_time.items())[::-1]
    )


def _percentile(name: str) -> _Combine:
    share = PERCENTILES[name.rpartition("_")[2]]

    def combine(values: Sequence[Value]) -> Value:
        whole = added(values)
        return whole.percentile(share) if isinstance(whole, Histogram) else whole

    return combine


def _number(value: Value) -> float:
    return float("nan") if isinstance(value, Histogram) else value


def _field(series: Series, path: str) -> str:
    owner, _, key = _parts(path)
    labels = series.metric if owner == "metric" else series.resource
    return labels.get(key, "")


def _kept(labels: Mapping[str, str], owner: str, fields: Sequence[str]) -> dict[str, str]:
    kept = {key for whose, _, key in map(_parts, fields) if whose == owner}
    return {key: value for key, value in labels.items() if key in kept}


def _parts(path: str) -> tuple[str, str, str]:
    owner, _, rest = path.partition(".")
    part, _, key = rest.partition(".")
    return owner, part, key


def _invalid(name: str, value: Any, words: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f'Field aggregation.{name} had an invalid value of "{value}": {words}'
    )
