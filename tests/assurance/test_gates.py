from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tridock.assurance import gates
from tridock.assurance.gates import Ruling

COUNTS = st.integers(1, 1000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS, st.floats(0, 1))
def test_an_error_rate_passes_up_to_its_limit(counts: tuple[int, int], limit: float) -> None:
    errors, requests = counts
    verdict = gates.error_rate(errors, requests, limit=limit)
    assert (verdict.ruling is Ruling.PASSED) == (errors / requests <= limit)


@given(COUNTS, st.floats(0, 1))
def test_agreement_passes_from_its_limit_on(counts: tuple[int, int], limit: float) -> None:
    agreed, compared = counts
    verdict = gates.agreement(agreed, compared, limit=limit)
    assert (verdict.ruling is Ruling.PASSED) == (agreed / compared >= limit)
    assert verdict.observed == agreed / compared


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_the_percentile_is_the_least_value_that_95_of_100_do_not_exceed(times: list[float]) -> None:
    observed = gates.latency_p95(times, limit=1.0).observed
    assert observed in times
    assert observed is not None
    assert sum(each <= observed for each in times) >= 0.95 * len(times)
    assert sum(each < observed for each in times) < 0.95 * len(times)


def test_what_was_not_measured_neither_passes_nor_fails() -> None:
    for verdict in (
        gates.error_rate(0, 0, limit=0.0),
        gates.latency_p95((), limit=1.0),
        gates.agreement(0, 0, limit=1.0),
    ):
        assert verdict.ruling is Ruling.UNMEASURED
        assert verdict.observed is None
        assert str(verdict) == f"{verdict.gate} not measured: nothing to go by"


def test_a_verdict_says_what_it_saw_and_its_bound() -> None:
    said = str(gates.latency_p95([5.0, 120.0], limit=100))
    assert said == "latency_p95 failed: 120 ms in 2 requests (at most 100 ms)"
