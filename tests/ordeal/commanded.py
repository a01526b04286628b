"""Trials of the commands beside an ordinary release: struck at a call, given again, compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

from tests.ordeal.arena import ENDPOINT
from tests.ordeal.bundles import name_of
from tests.ordeal.points import Point
from tests.ordeal.trial import Ordeal, Result
from tridock.deploy.target.errors import NotFoundError

ALIAS = "champion"
#: Notes of endpoints that do not exist, and a lock whose time is over: a sweep removes them.
LOCK = b"""{"owner": {"name": "ada@elsewhere", "run": "", "machine": "elsewhere", "process": "1 1"},
"what": "release", "since": "2026-01-01T00:00:00+00:00", "until": "2026-01-01T00:02:00+00:00"}"""
GHOSTS = {"locks/ghost.json": LOCK, "history/ghost.json": b"[]"}


@dataclass
class Commanded(Ordeal):
    """A command on trial. Each trial begins from the same state, which `prepare` brings about.

    Attributes
    ----------
    verb : str
        Key of `COMMANDS`.
    roles : dict
        What the versions are in this trial, by the names of their deployments.
    stands : object
        What is there after a clean command.
    """

    verb: str = ""
    roles: dict[str, str] = field(default_factory=dict)
    stands: object = None

    def begin(self) -> None:
        """Give the command once undisturbed, with every call recorded."""
        command = COMMANDS[self.verb]
        first, second, _ = self.bundles
        if self.verb != "first-release":
            self._through(first)
            if self.verb != "delete":
                self._through(second, self.finish)
        if self.verb in ("approve", "alias"):
            for version in (first, second):
                self._run([*self._models("register"), "--bundle", str(self.bundles[version].path)])
        command.prepare(self)
        self._allow(*self.bundles)
        ended = self.deployers.start(command.words(self), self.arena.plan()).wait()
        self.clean = self.arena.calls()
        if ended.code:
            raise AssertionError(f"the clean {self.verb} failed:\n{ended.said}")
        self.stands, self.standard = self._state(), self.arena.inventory()

    def strike(self, kind: str, point: Point, *, back: bool = False) -> Result:
        """Let `kind` happen at a call of the command, and give it again until it is done."""
        began, result, command = time.monotonic(), Result(kind, point), COMMANDS[self.verb]
        command.prepare(self)
        words = command.words(self)
        failed, sent = len(self.client.failed), self.client.sent
        with self.client if command.serves else nullcontext():
            if not self._struck(words, result):
                self._see_through(words, result)
            time.sleep(0.1)
        result.problems += [f"client: {each}" for each in self.client.failed[failed:]]
        result.sent, result.failed = self.client.sent - sent, len(self.client.failed) - failed
        stands = self._state()
        if stands != self.stands:
            result.problems.append(f"{stands}, not {self.stands}")
        self._compare(result)
        result.took = time.monotonic() - began
        return result

    def play(self, *, old: str, new: str) -> None:
        """Remember which version is which."""
        self.roles = {name_of(self.bundles[old]): "old", name_of(self.bundles[new]): "new"}

    def split(self) -> dict[str, int]:
        """Return the traffic by roles; nothing where there is no endpoint."""
        try:
            traffic = self._settled().traffic
        except NotFoundError:
            return {}
        return {self.roles.get(name, name): share for name, share in traffic.items()}

    def serves(self) -> str:
        """Return the version with most traffic."""
        traffic = self._settled().traffic
        return self._version_of(max(traffic, key=lambda name: traffic[name]))

    def _state(self) -> object:
        target = self.arena.target
        versions = []
        if self.verb in ("approve", "alias"):
            versions = [
                (one.version, one.approval.value, tuple(one.aliases))
                for one in target.models.versions(ENDPOINT)
            ]
        return self.split(), sorted(target.notes.keys()), versions

    def _models(self, verb: str) -> list[str]:
        return ["models", verb, *self.words]


@dataclass(frozen=True)
class Command:
    """How a command is prepared and given.

    Attributes
    ----------
    serves : bool
        Whether requests are to be answered all the while.
    """

    prepare: Callable[[Commanded], None]
    words: Callable[[Commanded], list[str]]
    serves: bool = True


def _before_rollback(ordeal: Commanded) -> None:
    old, new, _ = ordeal.bundles
    ordeal.play(old=old, new=new)
    if ordeal.serves() != new:
        ordeal._run([*ordeal.command("traffic"), f"{name_of(ordeal.bundles[new])}=100"])


def _before_promote(ordeal: Commanded) -> None:
    """Let the two that stand share the traffic: the one that does not serve is the new one."""
    old = ordeal.serves()
    new = next(one for one in list(ordeal.bundles)[:2] if one != old)
    ordeal.play(old=old, new=new)
    ordeal._run(ordeal.release(new))


def _before_stop(ordeal: Commanded) -> None:
    old, new = ordeal.serves(), list(ordeal.bundles)[2]
    ordeal.play(old=old, new=new)
    ordeal._run(ordeal.release(new))


def _before_delete(ordeal: Commanded) -> None:
    first, *_ = ordeal.bundles
    if not ordeal.split():
        ordeal._through(first)


def _before_sweep(ordeal: Commanded) -> None:
    """Leave a bundle that nobody uses, and notes of an endpoint that is gone."""
    target = ordeal.arena.target
    target.upload(ordeal.bundles["3"])
    for key, body in GHOSTS.items():
        if target.notes.read(key) is None:
            target.notes.write(key, body, over=None)


def _before_first_release(ordeal: Commanded) -> None:
    first, second, _ = ordeal.bundles
    ordeal.play(old=second, new=first)
    if ordeal.split():
        ordeal._run(ordeal.command("delete"))


def _sweep(ordeal: Commanded) -> list[str]:
    words = ordeal.command("sweep")
    at = words.index("--endpoint")
    return [*words[:at], *words[at + 2 :], "--yes"]


def _approve(ordeal: Commanded) -> list[str]:
    return [*ordeal._models("approve"), f"{ENDPOINT}:1", "--reason", "good"]


COMMANDS: Mapping[str, Command] = {
    "rollback": Command(_before_rollback, lambda one: one.command("rollback")),
    "promote": Command(_before_promote, lambda one: one.command("promote")),
    "stop": Command(_before_stop, lambda one: one.command("stop")),
    "delete": Command(_before_delete, lambda one: one.command("delete"), serves=False),
    "sweep": Command(_before_sweep, _sweep),
    "approve": Command(
        lambda one: one._run([*_approve(one), "--reject"]),
        _approve,
    ),
    "alias": Command(
        lambda one: one._run([*one._models("alias"), f"{ENDPOINT}:1", ALIAS]),
        lambda one: [*one._models("alias"), f"{ENDPOINT}:2", ALIAS],
    ),
    "first-release": Command(
        _before_first_release, lambda one: one.release(next(iter(one.bundles))), serves=False
    ),
}
#: Commands that end an experiment, which a release of this strategy begins.
EXPERIMENTS = {"promote": "ab", "stop": "ab"}
