"""Two changes of one endpoint at once: one is done, the other is told by whom and since when."""

from __future__ import annotations

from dataclasses import dataclass

from tests.ordeal.deployer import Ended
from tests.ordeal.points import Point
from tests.ordeal.trial import Ordeal

#: The call at which the first one is held up, and for how long: it has taken the lock by then,
#: which takes one cloud more calls than another.
HELD_AT, SECONDS = {"local": 4, "aws": 4, "gcp": 6, "azure": 8}, 3.0


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
    """Start two releases of two versions at the same moment."""
    one, other = (version for version in ordeal.bundles if version != ordeal.serving)
    nothing = ordeal.arena.plan()
    both = [ordeal.deployers.start(ordeal.release(each), nothing) for each in (one, other)]
    ended = sorted((each.wait() for each in both), key=lambda each: each.code)
    return Together("two releases started together", ended[0], ended[1])


def a_release_in_a_rollback(ordeal: Ordeal) -> Together:
    """Start a release while a rollback runs."""
    version = next(each for each in ordeal.bundles if each != ordeal.serving)
    held_at = Point("*", HELD_AT[ordeal.arena.name])
    blow = ordeal.arena.plan("slow", held_at, seconds=SECONDS)
    back = ordeal.deployers.start(ordeal.command("rollback"), blow)
    back.wait_until(ordeal.arena.met)
    second = ordeal.deployers.start(ordeal.release(version)).wait()
    first = back.wait()
    ordeal.look()
    return Together("a release started while a rollback runs", first, second)
