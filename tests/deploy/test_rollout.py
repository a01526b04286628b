from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deploy.rollout import shares, splits, without

STEPS = st.lists(st.integers(1, 100), min_size=1, unique=True).map(sorted)
NAMES = st.sampled_from(["a", "b", "c", "d", "new"])


@st.composite
def traffics(draw: st.DrawFn) -> dict[str, int]:
    """A split that sums to 100, among up to five."""
    weights = draw(st.dictionaries(NAMES, st.integers(1, 100), min_size=1))
    return {name: share for name, share in shares(weights, 100).items() if share}


@given(traffics(), STEPS)
def test_every_split_sums_to_100_without_zeros(now: dict[str, int], steps: list[int]) -> None:
    for split in splits(now, "new", steps):
        assert sum(split.values()) == 100
        assert all(share > 0 for share in split.values())


@given(traffics(), STEPS)
def test_the_new_one_only_grows_and_the_others_only_shrink(
    now: dict[str, int], steps: list[int]
) -> None:
    before = now
    for split in splits(now, "new", steps):
        assert split["new"] >= before.get("new", 0)
        for name in set(now) - {"new"}:
            assert split.get(name, 0) <= now[name]
        before = split


@given(traffics(), NAMES)
def test_without_one_the_others_have_it_all(now: dict[str, int], name: str) -> None:
    rest = without(now, name)
    assert name not in rest
    assert sum(rest.values()) == (100 if set(now) - {name} else 0)


@given(st.dictionaries(NAMES, st.floats(0.001, 1000), min_size=1), st.integers(0, 100))
def test_shares_are_within_one_of_the_exact_proportion(
    weights: dict[str, float], total: int
) -> None:
    found = shares(weights, total)
    assert sum(found.values()) == total
    for name, weight in weights.items():
        assert abs(found[name] - weight * total / sum(weights.values())) < 1 + 1e-6


def test_others_keep_their_proportions() -> None:
    assert next(splits({"a": 80, "b": 20}, "new", [50])) == {"new": 50, "a": 40, "b": 10}


def test_steps_that_are_behind_are_left_out() -> None:
    found = list(splits({"old": 50, "new": 50}, "new", [10, 50, 100]))
    assert found == [{"new": 50, "old": 50}, {"new": 100}]


def test_where_nobody_else_has_traffic_one_step_gives_it_all() -> None:
    assert list(splits({}, "new", [10, 100])) == [{"new": 100}]
    assert list(splits({"new": 100}, "new", [10, 100])) == [{"new": 100}]


def test_nothing_is_shared_among_nobody() -> None:
    assert shares({}, 0) == {}
    assert shares({"a": 0, "b": 0}, 100) == {"a": 0, "b": 0}
