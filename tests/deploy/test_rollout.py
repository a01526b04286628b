from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tridock.deploy.strategies import (
    STRATEGIES,
    Move,
    Step,
    Strategy,
    moves,
    shares,
    steps_of,
    without,
)

PERCENTS = st.lists(st.integers(1, 99), unique=True).map(sorted).map(lambda some: [*some, 100])
NAMES = st.sampled_from(["a", "b", "c", "d", "new"])


def splits(now: dict[str, int], new: str, percents: list[int]) -> list[dict[str, int]]:
    return [move.split for move in moves(now, new, [Step(each) for each in percents])]


@st.composite
def traffics(draw: st.DrawFn) -> dict[str, int]:
    """A split that sums to 100, among up to five."""
    weights = draw(st.dictionaries(NAMES, st.integers(1, 100), min_size=1))
    return {name: share for name, share in shares(weights, 100).items() if share}


@given(traffics(), PERCENTS)
def test_every_split_sums_to_100_without_zeros(now: dict[str, int], percents: list[int]) -> None:
    for split in splits(now, "new", percents):
        assert sum(split.values()) == 100
        assert all(share > 0 for share in split.values())


@given(traffics(), PERCENTS)
def test_the_new_one_only_grows_and_the_others_only_shrink(
    now: dict[str, int], percents: list[int]
) -> None:
    before = now
    for split in splits(now, "new", percents):
        assert split["new"] >= before.get("new", 0)
        for name in set(now) - {"new"}:
            assert split.get(name, 0) <= now[name]
        before = split
    assert before == {"new": 100}


@given(traffics(), st.sampled_from(sorted(STRATEGIES)))
def test_every_strategy_ends_at_its_last_step_wherever_it_begins(
    now: dict[str, int], name: str
) -> None:
    steps = steps_of(Strategy(name))
    found = list(moves(now, "new", steps))
    alone = not set(now) - {"new"}
    assert found[-1].split.get("new", 0) == (100 if alone else steps[-1].percent)
    assert all(sum(move.split.values()) == 100 for move in found)


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
    assert splits({"a": 80, "b": 20}, "new", [50, 100])[0] == {"new": 50, "a": 40, "b": 10}


def test_steps_that_are_behind_are_left_out() -> None:
    found = splits({"old": 50, "new": 50}, "new", [10, 50, 100])
    assert found == [{"new": 50, "old": 50}, {"new": 100}]


def test_where_nobody_else_has_traffic_one_step_gives_it_all_and_waits_for_nobody() -> None:
    steps = steps_of(Strategy("canary", bake=(60.0,)))
    assert list(moves({}, "new", steps)) == [Move({"new": 100}, Step(100, awaited=False))]
    (again,) = moves({"new": 100}, "new", steps)
    assert again == Move({"new": 100}, Step(100, bake=60.0, awaited=False))


def test_each_strategy_is_a_series_of_steps() -> None:
    assert steps_of(Strategy()) == (Step(10), Step(50), Step(100))
    assert steps_of(Strategy(bake=(60.0, 300.0, 0.0)))[1] == Step(50, bake=300.0)
    linear = steps_of(Strategy("linear", increment=30, bake=(5.0,)))
    assert [(step.percent, step.bake) for step in linear] == [
        (30, 5.0),
        (60, 5.0),
        (90, 5.0),
        (100, 5.0),
    ]
    assert [step.percent for step in steps_of(Strategy("blue-green"))] == [0, 100]
    assert steps_of(Strategy("blue-green", keep_old=2.0))[1].bake == 120.0
    first, copied = steps_of(Strategy("shadow", shadow=30))
    assert (first.percent, first.shadow) == (copied.percent, 0) == (0, 0)
    assert (copied.shadow, copied.bake, copied.probed) == (30, 60.0, False)
    split = steps_of(Strategy("ab", split=20))[-1]
    assert (split.percent, split.held) == (20, True)


def test_bake_times_are_one_or_one_each() -> None:
    with pytest.raises(ValueError, match="2 bake times for 3 steps"):
        steps_of(Strategy(bake=(1.0, 2.0)))


def test_nothing_is_shared_among_nobody() -> None:
    assert shares({}, 0) == {}
    assert shares({"a": 0, "b": 0}, 100) == {"a": 0, "b": 0}
