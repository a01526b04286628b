"""A client at work, an emulator that is killed under it, and the look at what is left."""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from tests.emulators.kills import aws, azure, gcp
from tests.emulators.kills.workload import Fact, Open, Workload
from tridock.emulators import daemon
from tridock.emulators.control import ask
from tridock.emulators.place import Place
from tridock.inference.packaging.package import About, package

log = logging.getLogger(__name__)

#: How the workload of each cloud is opened.
WORKLOADS: Mapping[str, Open] = {
    "aws": aws.Deployment.open,
    "azure": azure.Deployment.open,
    "gcp": gcp.Deployment.open,
}

#: Kills in a row before the client may finish its work.
STRIKES = 4


@dataclass
class Count:
    """Numbers of a trial.

    Attributes
    ----------
    kills, during : int
        All; those that cut a run short.
    acknowledged : int
        Facts that were looked for after the kills.
    lost : list of str
        Those that were not there, or were others.
    converged : int
        Runs that ended as a run without kills does.
    failed : list of str
        Those that did not.
    """

    kills: int = 0
    during: int = 0
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    converged: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def is_bad(self) -> bool:
        """Whether something was lost or did not converge."""
        return bool(self.lost or self.failed)

    def summary(self) -> Mapping[str, object]:
        """Return the numbers, and the words of what went wrong."""
        return asdict(self) | {"lost": len(self.lost), "problems": [*self.lost, *self.failed]}

    def __str__(self) -> str:
        return (
            f"during a run {self.during}, acknowledged {self.acknowledged}, lost {len(self.lost)}, "
            f"converged {self.converged}, failed {len(self.failed)}"
        )


@dataclass
class Trial:
    """One emulator, one client, many kills.

    Attributes
    ----------
    gaps : list of float
        Seconds from answer to answer of the latest run without a kill: moments are drawn from them,
        so that they do not depend on how fast the machine is.
    """

    place: Place
    bundle: Path
    dice: random.Random
    gaps: list[float] = field(default_factory=list)
    count: Count = field(default_factory=Count)
    _facts: dict[tuple[str, str], Fact] = field(default_factory=dict)
    _strikes: int = 0
    _workload: Workload | None = None

    @classmethod
    @contextmanager
    def begin(cls, cloud: str, folder: Path, *, seed: int) -> Iterator[Trial]:
        """Bring the emulator up, run the work once undisturbed, and take it down at the end."""
        trial = cls(Place(cloud, folder / "state"), _bundle(folder), random.Random(seed))
        try:
            trial.converge()
            yield trial
        finally:
            daemon.down(trial.place)

    def strike(self) -> None:
        """Kill the emulator at a random moment of a run, start it again, and look."""
        running = daemon.up(self.place)
        after = self.dice.randrange(len(self.gaps))
        reached, ended = threading.Event(), threading.Event()
        client = threading.Thread(target=self._run, args=(after, reached, ended))
        client.start()
        reached.wait()
        is_over = ended.wait(self.dice.uniform(0, self.gaps[after]))
        kill(self.place, running.pid)
        client.join()
        self.count.kills += 1
        self.count.during += not is_over
        daemon.up(self.place)
        self._look()
        self._strikes += 1
        if self._strikes % STRIKES == 0:
            self.converge()

    def converge(self) -> None:
        """Let the work end, hold its result to the right one, and empty the account."""
        running = daemon.up(self.place)
        workload = self._open()
        times = [time.monotonic()]

        def note(fact: Fact) -> None:
            times.append(time.monotonic())
            self._note(fact)

        try:
            workload.run(note)
            self.gaps = [later - earlier for earlier, later in pairwise(times)]
            answer = workload.answer()
        except Exception as error:  # of any client
            answer = f"{type(error).__name__}: {error}"
        if answer == workload.right_answer:
            self.count.converged += 1
        else:
            self.count.failed.append(answer)
        self._look()
        ask(running, "POST", "reset")
        self._facts.clear()

    def _run(self, after: int, reached: threading.Event, ended: threading.Event) -> None:
        """Work until the emulator is killed; say when `after` changes were answered."""
        noted = 0

        def note(fact: Fact) -> None:
            nonlocal noted
            self._note(fact)
            noted += 1
            if noted >= after:
                reached.set()

        try:
            if not after:
                reached.set()
            self._open().run(note)
            ended.set()
        except Exception as error:  # of any client: the emulator was killed
            log.info("the run ended: %s", error)
        finally:
            reached.set()

    def _look(self) -> None:
        workload = self._open()
        for fact in list(self._facts.values()):
            if fact.value is None:
                continue
            self.count.acknowledged += 1
            try:
                found = workload.find(fact)
            except Exception as error:  # of any client
                found = f"{type(error).__name__}: {error}"
            if found != fact.value:
                said = f"{fact.kind} {fact.name}: {fact.value!r}, found {found!r}"
                self.count.lost.append(f"kill {self.count.kills}: {said}")

    def _note(self, fact: Fact) -> None:
        self._facts[fact.kind, fact.name] = fact

    def _open(self) -> Workload:
        """Return the client's work: its variables stay true over kills, as open shells' do."""
        if self._workload is None:
            environment = daemon.environment(self.place)
            self._workload = WORKLOADS[self.place.cloud](environment, self.bundle)
        return self._workload


def kill(place: Place, pid: int) -> None:
    """Kill an emulator, and return when the system knows that it has ended."""
    os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
    while daemon.find(place):
        time.sleep(0.01)


def _bundle(folder: Path) -> Path:
    """Package a small model, as a folder and as an archive beside it."""
    rows, labels = load_iris(return_X_y=True)
    about = About(name="iris", version="1", examples=2)
    model = LogisticRegression(max_iter=500).fit(rows, labels)
    bundle = package(model, rows, folder / "iris", about=about)
    bundle.pack(folder / "iris.tar.gz")
    return folder / "iris"
