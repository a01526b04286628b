"""Distributions as Cloud Monitoring tells them (google/api/distribution.proto)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any


@dataclass(frozen=True)
class Buckets:
    """How many values were between a lower and an upper bound.

    Attributes
    ----------
    counts : Mapping of (float, float) to int
        By bounds; the first bucket begins at zero, the last has no end.
    """

    counts: Mapping[tuple[float, float], int] = field(default_factory=dict)

    @classmethod
    def of(cls, distributions: Iterable[Mapping[str, Any]]) -> Buckets:
        """Return several distributions of values above zero as one."""
        counts: Counter[tuple[float, float]] = Counter()
        for one in distributions:
            bounds = [0.0, *_bounds(one.get("bucketOptions", {})), math.inf]
            for bucket, count in zip(pairwise(bounds), one.get("bucketCounts", ()), strict=False):
                counts[bucket] += int(count)
        return cls({bucket: count for bucket, count in counts.items() if count})

    def percentile(self, share: float) -> float | None:
        """Return the value below which `share` of them are, linear within its bucket.

        So Cloud Monitoring's own percentiles are; the error is at most the bucket's width. None
        of nothing.
        """
        wanted, seen = share * sum(self.counts.values()), 0
        for (low, high), count in sorted(self.counts.items()):
            if seen + count >= wanted:
                part = (wanted - seen) / count
                return low if math.isinf(high) else low + (high - low) * part
            seen += count
        return None


def _bounds(options: Mapping[str, Any]) -> Iterator[float]:
    """Yield the bounds between the first bucket and the last."""
    if "exponentialBuckets" in options:
        told = options["exponentialBuckets"]
        for n in range(int(told["numFiniteBuckets"]) + 1):
            yield float(told["scale"]) * float(told["growthFactor"]) ** n
    elif "linearBuckets" in options:
        told = options["linearBuckets"]
        for n in range(int(told["numFiniteBuckets"]) + 1):
            yield float(told.get("offset", 0)) + float(told["width"]) * n
    else:
        yield from map(float, options.get("explicitBuckets", {}).get("bounds", ()))
