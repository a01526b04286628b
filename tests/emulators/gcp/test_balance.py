"""Traffic splits: exact shares, in an order that no client can be in step with."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tridock.emulators.gcp.core.serving import Balance


@given(st.integers(1, 99))
def test_of_a_hundred_requests_each_share_is_exact(percent: int) -> None:
    balance = Balance({"a": percent, "b": 100 - percent})
    assert Counter(balance.next() for _ in range(100)) == balance.split


def test_who_takes_every_second_request_meets_everyone() -> None:
    balance = Balance({"old": 90, "new": 10})
    turns = [balance.next() for _ in range(4000)]
    assert set(turns[::2]) == set(turns[1::2]) == {"old", "new"}
