"""Two changes of one endpoint at once: one is done, the other is told by whom and since when."""

from __future__ import annotations

from dataclasses import dataclass

from tests.ordeal.deployer import Ended
from tests.ordeal.points import Point
from tests.ordeal.trial import Ordeal

#: The call at which the first one is held up: it has taken the lock by then, which takes one cloud
#: more calls than another.
HELD_AT = {"local": 4, "aws": 4, "gcp": 6, "azure": 8}
#: How long: on this machine until the second one has ended.
SECONDS = {"local": 600.0, "aws": 3.0, "gcp": 3.0, "azure": 3.0}
#: Pairs of releases that are started until two meet: on a busy machine one may end too early.
PAIRS = 20


@dataclass(frozen=True)
class Together:
    """How the first and the second ended."""

    title: str
    first: Ended
    second: Ended

    def __str__(self) -> str:
        told = [f"== {self.title}"]
        for which, ended in (("first", self.first), ("second", self.second)):
            told.append(f"-- the {which}: exit code {ended.code}")
            told += [line for line in ended.said.partition("\n#")[0].splitlines() if line.strip()]
        return "\n".join(told)


def two_releases(ordeal: Ordeal) -> Together:
    """Start two releases of two versions at the same moment, until two of them meet."""
    for _ in range(PAIRS):
        one, other = (version for version in ordeal.bundles if version != ordeal.serving)
        nothing = ordeal.arena.plan()
        both = [ordeal.deployers.start(ordeal.release(each), nothing) for each in (one, other)]
        first, second = sorted((each.wait() for each in both), key=lambda each: each.code)
        ordeal.look()
        if second.code:
            break
    return Together("two releases started together", first, second)


def a_release_in_a_rollback(ordeal: Ordeal) -> Together:
    """Start a release while a rollback runs."""
    version = next(each for each in ordeal.bundles if each != ordeal.serving)
    held_at = Point("*", HELD_AT[ordeal.arena.name])
    blow = ordeal.arena.plan("slow", held_at, seconds=SECONDS[ordeal.arena.name])
    back = ordeal.deployers.start(ordeal.command("rollback"), blow)
    back.wait_until(ordeal.arena.met)
    second = ordeal.deployers.start(ordeal.release(version)).wait()
    ordeal.arena.go_on()
    first = back.wait()
    ordeal.look()
    return Together("a release started while a rollback runs", first, second)
