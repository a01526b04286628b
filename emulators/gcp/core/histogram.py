"""Distributions of latencies, as google/api/distribution.proto holds them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

#: Buckets [1.4^(i-1), 1.4^i) in milliseconds, as Google's load balancers have; what Vertex AI and
#: Cloud Run have is not documented, and a reader of a distribution reads its bounds, too.
FINITE, GROWTH, SCALE = 66, 1.4, 1.0


@dataclass
class Histogram:
    """A distribution: what was counted in each bucket, the sum, and the sum of squares."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    buckets: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, value: float) -> Histogram:
        """Return the distribution of one value, zero or above."""
        return cls(1, value, value * value, Counter([_bucket(value)]))

    def __add__(self, other: Histogram) -> Histogram:
        """Return both together."""
        return Histogram(
            self.count + other.count,
            self.total + other.total,
            self.squares + other.squares,
            self.buckets + other.buckets,
        )

    def percentile(self, share: float) -> float:
        """Return the value below which `share` of them are, linear within its bucket."""
        wanted, seen = share * self.count, 0
        for low, high, count in self._ranges():
            if seen + count >= wanted:
                return low + (high - low) * (wanted - seen) / count
            seen += count
        return 0.0

    def record(self) -> dict[str, Any]:
        """Return it as JSON (google.api.Distribution)."""
        mean = self.total / self.count if self.count else 0.0
        options = {"numFiniteBuckets": FINITE, "growthFactor": GROWTH, "scale": SCALE}
        return {
            "count": str(self.count),
            "mean": mean,
            "sumOfSquaredDeviation": max(0.0, self.squares - self.count * mean * mean),
            "bucketOptions": {"exponentialBuckets": options},
            "bucketCounts": [
                str(self.buckets[n]) for n in range(max(self.buckets, default=-1) + 1)
            ],
        }

    def _ranges(self) -> Iterator[tuple[float, float, int]]:
        for bucket, count in sorted(self.buckets.items()):
            low = SCALE * GROWTH ** (bucket - 1) if bucket else 0.0
            yield low, SCALE * GROWTH ** min(bucket, FINITE), count


def _bucket(value: float) -> int:
    """Return a value's bucket: 0 is below the scale, the last above every bound."""
    if value < SCALE:
        return 0
    return min(1 + int(math.log(value / SCALE, GROWTH)), FINITE + 1)
