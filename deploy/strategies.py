"""Strategies as data, and moving traffic as arithmetic: no cloud, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Step:
    """One step of a release.

    Attributes
    ----------
    percent : int
        Of the endpoint's requests that the new deployment answers.
    bake : float
        Seconds that the step is watched; a gate that says no ends it at once.
    shadow : int
        Percent of the requests of which it gets a copy, whose answer is dropped.
    probed : bool
        Whether the judge sends requests of its own. To a deployment that gets copies it does
        not: SageMaker lets no client call a shadow variant.
    awaited : bool
        Whether the step waits until enough live requests came.
    beside : bool
        Whether the judge asks the deployment that serves, too, and compares.
    held : bool
        Whether it is an experiment, which `compare` looks at and `promote` or `stop` ends.
    """

    percent: int
    bake: float = 0.0
    shadow: int = 0
    probed: bool = True
    awaited: bool = True
    beside: bool = False
    held: bool = False


@dataclass(frozen=True)
class Strategy:
    """The keys of ``release.toml`` about traffic; see `tridock.deploy.config.keys` for each."""

    name: str = "canary"
    steps: tuple[int, ...] = (10, 50, 100)
    bake: tuple[float, ...] = ()
    increment: int = 20
    keep_old: float = 10.0
    shadow: int = 50
    split: int = 50

    @property
    def keeps_previous(self) -> bool:
        """True if the deployment before stays, unless the configuration says otherwise."""
        return self.name != "blue-green"


@dataclass(frozen=True)
class Move:
    """A step, and the traffic split it asks for: whole percent, summing to 100, no zeros."""

    split: dict[str, int]
    step: Step


def steps_of(strategy: Strategy) -> tuple[Step, ...]:
    """Return the steps of a strategy.

    Raises
    ------
    ValueError
        If there are bake times for some of the steps only.
    """
    return STRATEGIES[strategy.name](strategy)


def _canary(strategy: Strategy) -> tuple[Step, ...]:
    return _baked(strategy.steps, strategy.bake)


def _linear(strategy: Strategy) -> tuple[Step, ...]:
    return _baked((*range(strategy.increment, 100, strategy.increment), 100), strategy.bake)


def _blue_green(strategy: Strategy) -> tuple[Step, ...]:
    return (Step(0, awaited=False), Step(100, bake=60 * strategy.keep_old))


def _shadow(strategy: Strategy) -> tuple[Step, ...]:
    (copied,) = _baked((0,), strategy.bake or (60.0,))
    copied = replace(copied, shadow=strategy.shadow, probed=False, held=True)
    return Step(0, awaited=False, beside=True), copied


def _ab(strategy: Strategy) -> tuple[Step, ...]:
    (split,) = _baked((strategy.split,), strategy.bake)
    return (Step(0, awaited=False), replace(split, held=True))


STRATEGIES: Mapping[str, Callable[[Strategy], tuple[Step, ...]]] = {
    "canary": _canary,
    "linear": _linear,
    "blue-green": _blue_green,
    "shadow": _shadow,
    "ab": _ab,
}


def _baked(percents: Sequence[int], bake: Sequence[float]) -> tuple[Step, ...]:
    times = tuple(bake) * len(percents) if len(bake) == 1 else tuple(bake) or (0.0,) * len(percents)
    if len(times) != len(percents):
        raise ValueError(f"{len(times)} bake times for {len(percents)} steps: give one, or each")
    return tuple(Step(percent, bake=time) for percent, time in zip(percents, times, strict=True))


def moves(now: Mapping[str, int], new: str, steps: Sequence[Step]) -> Iterator[Move]:
    """Yield the moves of a release, `new` taking what the others give in proportion.

    Steps below what `new` has already are left out, so that an interrupted rollout goes on.
    Where no other deployment has traffic there is none to protect, and one step gives it all.

    Parameters
    ----------
    now : Mapping[str, int]
        Today's split in whole percent; sums to 100, or is empty.
    new : str
        Deployment that takes over.
    steps : Sequence[Step]
        In order, not empty.
    """
    others = {name: share for name, share in now.items() if name != new and share}
    if not others:
        bake = steps[-1].bake if now else 0.0
        yield Move({new: 100}, Step(100, bake=bake, awaited=False))
        return
    has = now.get(new, 0)
    behind = has if steps[-1].percent >= has else 0
    for step in steps:
        if step.percent >= behind:
            split = {new: step.percent, **shares(others, 100 - step.percent)}
            yield Move({name: share for name, share in split.items() if share}, step)


def without(now: Mapping[str, int], name: str) -> dict[str, int]:
    """Return the split in which the others share what `name` has; empty if there are none."""
    others = {other: share for other, share in now.items() if other != name and share}
    return shares(others, 100) if others else {}


def shares(weights: Mapping[str, int | float], total: int) -> dict[str, int]:
    """Share `total` in whole numbers that sum to it, in proportion, by largest remainder.

    Parameters
    ----------
    weights : Mapping[str, int or float]
        Not negative; not all zero unless `total` is.
    total : int
        What to share, not negative.
    """
    whole = sum(weights.values())
    if not whole:
        return dict.fromkeys(weights, 0)
    exact = {name: weight * total / whole for name, weight in weights.items()}
    floors = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (floors[name] - exact[name], name))
    for name in by_remainder[: total - sum(floors.values())]:
        floors[name] += 1
    return floors
