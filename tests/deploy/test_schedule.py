from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tridock.deploy.local.fleet import order
from tridock.deploy.strategies import shares

TRAFFIC = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 100), min_size=1).map(
    lambda weights: {name: share for name, share in shares(weights, 100).items() if share}
)


@given(TRAFFIC)
def test_a_cycle_has_everyone_as_often_as_their_share(traffic: dict[str, int]) -> None:
    found = Counter(order(traffic))
    length = sum(found.values())
    assert {name: count * 100 / length for name, count in found.items()} == traffic


@given(TRAFFIC)
def test_turns_are_spread_over_the_cycle(traffic: dict[str, int]) -> None:
    cycle = order(traffic)
    for name, share in traffic.items():
        for end in range(1, len(cycle) + 1):
            due = end * share / 100
            assert abs(cycle[:end].count(name) - due) < len(traffic)


def test_nobody_has_no_turns() -> None:
    assert order({}) == ()
    assert order({"a": 0}) == ()


def test_all_traffic_is_a_cycle_of_one() -> None:
    assert order({"a": 100}) == ("a",)
