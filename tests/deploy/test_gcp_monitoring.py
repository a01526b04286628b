"""Cloud Monitoring's answers read into ours: distributions, own requests, events, errors."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from tridock.deploy.gcp.errors import of_answer
from tridock.deploy.gcp.observability import Buckets
from tridock.deploy.target.errors import (
    NotFoundError,
    PermissionDeniedError,
    TargetError,
    UnavailableError,
)
from tridock.deploy.target.metrics import Own

EXPONENTIAL = {"exponentialBuckets": {"numFiniteBuckets": 66, "growthFactor": 1.4, "scale": 1}}
LINEAR = {"linearBuckets": {"numFiniteBuckets": 100, "width": 5, "offset": 5}}
EXPLICIT = {"explicitBuckets": {"bounds": [10, 20, 50, 100, 1000]}}
BOUNDS = {
    "exponential": [1.4**n for n in range(67)],
    "linear": [5.0 + 5 * n for n in range(101)],
    "explicit": [10.0, 20.0, 50.0, 100.0, 1000.0],
}
OPTIONS = {"exponential": EXPONENTIAL, "linear": LINEAR, "explicit": EXPLICIT}


def told(kind: str, values: list[float]) -> dict[str, Any]:
    """What Cloud Monitoring tells of values: trailing buckets without any are left out."""
    counts = [0] * (len(BOUNDS[kind]) + 1)
    for value in values:
        counts[sum(bound <= value for bound in BOUNDS[kind])] += 1
    while counts and not counts[-1]:
        counts.pop()
    return {"bucketOptions": OPTIONS[kind], "bucketCounts": [str(count) for count in counts]}


@given(
    st.sampled_from(sorted(OPTIONS)),
    st.lists(st.floats(0.0, 400.0), min_size=1, max_size=200),
    st.lists(st.floats(0.0, 400.0), max_size=50),
)
def test_a_percentile_is_in_the_bucket_of_the_value_that_it_is(
    kind: str, values: list[float], more: list[float]
) -> None:
    found = Buckets.of([told(kind, values), told(kind, more)]).percentile(0.95)
    together = sorted(values + more)
    right = together[math.ceil(0.95 * len(together)) - 1]
    bounds = [0.0, *BOUNDS[kind]]
    low = max(bound for bound in bounds if bound <= right)
    high = min((bound for bound in bounds if bound > right), default=math.inf)
    assert found is not None
    assert low <= found <= high


def test_nothing_has_no_percentile_and_what_has_no_bound_is_told_by_its_lower_one() -> None:
    assert Buckets.of([]).percentile(0.95) is None
    assert Buckets.of([{"count": "0"}]).percentile(0.95) is None
    assert Buckets.of([told("explicit", [5000.0] * 3)]).percentile(0.95) == 1000.0


def test_own_requests_are_counted_by_deployment_and_time() -> None:
    own = Own()
    before = datetime.now(UTC)
    for failed in (False, True, False):
        own.note("iris", "v1", failed=failed)
    own.note("iris", "v2", failed=True)
    after = datetime.now(UTC) + timedelta(seconds=1)
    assert own.between(("iris", "v1"), before, after) == (3, 1)
    assert own.between(("iris", "v1"), after, after + timedelta(days=1)) == (0, 0)
    assert own.between(("other", "v1"), before, after) == (0, 0)


@pytest.mark.parametrize(
    ("status", "code", "ours"),
    [
        (403, "PERMISSION_DENIED", PermissionDeniedError),
        (404, "NOT_FOUND", NotFoundError),
        (429, "RESOURCE_EXHAUSTED", UnavailableError),
        (400, "INVALID_ARGUMENT", TargetError),
    ],
)
def test_a_refused_look_is_told_in_googles_words(
    status: int, code: str, ours: type[TargetError]
) -> None:
    answer = requests.Response()
    answer.status_code = status
    answer.headers["Retry-After"] = "7"
    error = {"code": status, "status": code, "message": "not today"}
    answer._content = json.dumps({"error": error}).encode()
    found = of_answer(answer, operation="monitoring:ListTimeSeries")
    assert type(found) is ours
    assert str(found).startswith("not today")
    if isinstance(found, UnavailableError):
        assert found.retry_after == 7.0


def test_a_proxys_own_page_is_told_as_it_is() -> None:
    answer = requests.Response()
    answer.status_code = 502
    answer._content = b"<html>bad gateway"
    found = of_answer(answer, operation="monitoring:ListTimeSeries")
    assert isinstance(found, UnavailableError)
    assert "bad gateway" in str(found)
