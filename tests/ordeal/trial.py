"""One trial: a release that something happens to, and what stands afterwards."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from tests.ordeal.arena import ENDPOINT, Arena, lock_of
from tests.ordeal.blows import KILLS
from tests.ordeal.bundles import name_of
from tests.ordeal.client import Client
from tests.ordeal.deployer import Deployers, Ended
from tests.ordeal.points import Point
from tridock.deploy.target.errors import DeployError
from tridock.deploy.target.records import Endpoint, State
from tridock.deploy.waiting import wait
from tridock.deploy.waiting.wait import Deadline
from tridock.inference.bundle.bundle import Bundle

#: Runs that a release may take to get through a fault.
RUNS = 3
SETTLING = 60.0


@dataclass
class Result:
    """What a trial showed."""

    kind: str
    point: Point
    back: bool = False
    met: bool = False
    runs: int = 0
    sent: int = 0
    failed: int = 0
    problems: list[str] = field(default_factory=list)
    orphans: Counter[str] = field(default_factory=Counter)
    said: str = ""
    took: float = 0.0

    @property
    def key(self) -> str:
        """What was tried, of which there is one in a table."""
        return f"{self.kind}{' and rollback' if self.back else ''} at {self.point}"

    @property
    def is_bad(self) -> bool:
        """Whether anything was lost, or left."""
        return bool(self.problems or self.orphans)


@dataclass
class Ordeal:
    """A target and a strategy on trial; each trial begins where the one before ended.

    A version serves, perhaps the one before it is kept without traffic, and the third is released:
    then the first of the three is gone, and the next trial releases that.

    Attributes
    ----------
    finish : tuple of str
        Verbs after a release that leaves two serving, so that the new one has all traffic.
    traffic : dict
        The split after a clean release, of ``"new"`` and ``"old"``.
    standard : Counter
        What stands when all is done.
    clean : list of str
        The calls of a clean release.
    """

    arena: Arena
    deployers: Deployers
    bundles: dict[str, Bundle]
    words: list[str]
    client: Client
    finish: tuple[str, ...] = ()
    serving: str = ""
    traffic: dict[str, int] = field(default_factory=dict)
    standard: Counter[str] = field(default_factory=Counter)
    clean: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """Release twice, and then once more with every call recorded."""
        first, second, new = self.bundles
        self._through(first)  # it has all traffic, whatever the strategy
        self._through(second, self.finish)
        self._allow(self.serving, new)
        self.client.target.invoke(ENDPOINT, b'{"instances": [[0.0]]}')
        with self.client:
            blow = self.arena.plan()
            ended = self.deployers.start(self.release(new), blow).wait()
            self.clean = self.arena.calls()
        if ended.code or self.client.failed:
            raise AssertionError(f"the clean release failed:\n{ended.said}\n{self.client.failed}")
        self.traffic = self._split(new)
        self._finish()
        self.serving = new
        self.standard = self.arena.inventory()

    def look(self) -> None:
        """See who serves, after something else than a trial."""
        (name,) = self._settled().traffic
        self.serving = self._version_of(name)

    def strike(self, kind: str, point: Point, *, back: bool = False) -> Result:
        """Release the next version, let `kind` happen at a call, and see it through.

        Parameters
        ----------
        back : bool
            Whether a killed release is rolled back first.
        """
        began, result = time.monotonic(), Result(kind, point, back)
        new = self._absent()
        kept = ({*self.bundles} - {new, self.serving}) if back else set()
        self._allow(self.serving, new, *kept)
        failed, sent = len(self.client.failed), self.client.sent
        with self.client:
            done = self._struck(self.release(new), result)
            if back:
                self._roll_back(result)
            if back or not done:
                self._see_through(self.release(new), result)
            self._hold(new, result)
            time.sleep(0.05)
        result.problems += [f"client: {each}" for each in self.client.failed[failed:]]
        result.sent, result.failed = self.client.sent - sent, len(self.client.failed) - failed
        if not result.sent:
            result.problems.append("the client sent nothing")
        self._compare(result)
        self.serving = new
        result.took = time.monotonic() - began
        return result

    def _version_of(self, name: str) -> str:
        return next(each for each, one in self.bundles.items() if name_of(one) == name)

    def _absent(self) -> str:
        """Return a version that is not deployed: after a rollback it is not always the same."""
        there = self._settled().deployments
        return next(each for each, one in self.bundles.items() if name_of(one) not in there)

    def _struck(self, words: list[str], result: Result) -> bool:
        """Give a command under the blow; tell whether it says that it is done."""
        blow = self.arena.plan(result.kind, result.point)
        running = self.deployers.start(words, blow)
        if result.kind in KILLS and running.wait_until(self.arena.met):
            running.kill()
            ended = Ended(-9, running.said())
        else:
            ended = running.wait()
        result.met = self.arena.met()
        self.arena.plan()
        result.said = ended.said
        if ended.code not in (0, -9, 1, 4, 5):
            result.problems.append(f"exit code {ended.code}: {ended.said}")
        if "Traceback" in ended.said:
            result.problems.append(f"a traceback: {ended.said}")
        result.runs = 1
        return ended.code == 0

    def _roll_back(self, result: Result) -> None:
        ended = self.deployers.start(self.command("rollback"), self.arena.plan()).wait()
        if ended.code == 1 and "nothing to go back to" in ended.said:
            return
        if ended.code:
            result.problems.append(f"rollback exited with {ended.code}: {ended.said}")
            return
        try:
            found = self._settled()
        except DeployError as error:
            result.problems.append(f"after rollback: {error}")
            return
        (name,) = found.traffic or {""}
        if found.deployments[name].state is not State.READY:
            result.problems.append(f"after rollback: {found}")
        self.serving = self._version_of(name)

    def _see_through(self, words: list[str], result: Result) -> None:
        """Give a command again until it says that it is done; once is enough after a kill."""
        for _ in range(RUNS):
            ended = self.deployers.start(words, self.arena.plan()).wait()
            result.runs += 1
            result.said += "\n---\n" + ended.said
            if not ended.code:
                return
            result.problems.append(f"a run without faults exited with {ended.code}: {ended.said}")

    def _hold(self, new: str, result: Result) -> None:
        """Hold what serves to what a clean release leaves, and let the new one have it all."""
        try:
            split = self._split(new)
            self._finish()
            found = self._settled()
        except (AssertionError, DeployError) as error:
            result.problems.append(f"not done: {error}")
            return
        if split != self.traffic:
            result.problems.append(f"traffic {split}, not {self.traffic}")
        if {one.state for one in found.deployments.values()} != {State.READY}:
            result.problems.append(f"states {found.deployments}")

    def _split(self, new: str) -> dict[str, int]:
        """Return the split by what its parts are, not by their names."""
        roles = {name_of(self.bundles[new]): "new", name_of(self.bundles[self.serving]): "old"}
        traffic = self._settled().traffic
        return {roles.get(name, name): share for name, share in traffic.items()}

    def _finish(self) -> None:
        for verb in self.finish:
            self._run(self.command(verb))

    def _compare(self, result: Result) -> None:
        if lock_of(self.arena.target):
            result.problems.append("the lock stands")
        stands = self._inventory()
        result.orphans = stands - self.standard
        missing = self.standard - stands
        if missing:
            result.problems.append(f"missing: {dict(missing)}")

    def _inventory(self) -> Counter[str]:
        """Count what stands, once what is going has gone: draining servers take their time."""
        deadline = Deadline.after(10.0)
        while True:
            stands = self.arena.inventory()
            if stands == self.standard or not deadline.left():
                return stands
            time.sleep(0.1)

    def _settled(self) -> Endpoint:
        return wait.until_settled(self.arena.target, ENDPOINT, Deadline.after(SETTLING))

    def _through(self, version: str, finish: tuple[str, ...] = ()) -> None:
        for words in (self.release(version), *map(self.command, finish)):
            self._run(words)
        self.serving = version

    def _run(self, words: list[str]) -> None:
        ended = self.deployers.start(words, self.arena.plan()).wait()
        if ended.code:
            raise AssertionError(f"{words} exited with {ended.code}:\n{ended.said}")

    def _allow(self, *versions: str) -> None:
        self.client.allowed = frozenset(versions)

    def release(self, version: str) -> list[str]:
        return [*self.command("release"), "--bundle", str(self.bundles[version].path)]

    def command(self, verb: str) -> list[str]:
        return [verb, *self.words]
