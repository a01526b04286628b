"""Where an ordeal plays: a target, its emulator, and all that stands there."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.ordeal import inventory, stable
from tests.ordeal.blows import FAULTS, FAULTS_OF_VERBS, SLOW, Blow, fault
from tests.ordeal.points import Point
from tridock.deploy.config import account
from tridock.deploy.local import daemon as router
from tridock.deploy.target import plugins
from tridock.deploy.target.notes import Note
from tridock.deploy.target.protocol import Target
from tridock.emulators import daemon
from tridock.emulators.control import ask
from tridock.emulators.place import Place

ENDPOINT = "ordeal"
#: The second place of a cloud beside its first, by a setting.
SERVICES = {
    "cloud-run": ("gcp", "cloud-run"),
    "container-apps": ("azure", "container-apps"),
    "aci": ("azure", "aci"),
}
#: Services that end the servers of a revision without requests: how many run is no part of a state.
SLEEPING = ("cloud-run",)
#: Emulated seconds per second.
SPEED = 3000.0
#: Where nothing happens.
START = Point("*", 0)


class Arena(Protocol):
    """What a trial needs of the place it plays in."""

    target: Target
    settings: dict[str, str]
    faults: tuple[str, ...]
    name: str

    def plan(self, kind: str = "", point: Point = START, *, seconds: float = SLOW) -> Blow | None:
        """Let a call from now on go wrong; without a kind, none. Calls count from zero."""
        ...

    def met(self) -> bool:
        """Tell whether that call came."""
        ...

    def go_on(self) -> None:
        """End a slow call, where that is possible."""
        ...

    def calls(self) -> list[str]:
        """Name the calls since the plan."""
        ...

    def inventory(self) -> Counter[str]:
        """Count everything that stands, in names that say nothing of the version."""
        ...


@dataclass
class Emulated:
    """A cloud that an emulator plays."""

    name: str
    place: Place
    target: Target
    settings: dict[str, str]
    faults: tuple[str, ...] = FAULTS

    def plan(self, kind: str = "", point: Point = START, *, seconds: float = SLOW) -> Blow | None:
        faults = [fault(kind, point, seconds)] if kind else []
        self._ask("PUT", faults)
        return None

    def met(self) -> bool:
        return bool(self._ask("GET")["met"])

    def go_on(self) -> None:
        """Leave a slow call as it is: it ends by itself."""

    def calls(self) -> list[str]:
        return list(self._ask("GET")["calls"])

    def inventory(self) -> Counter[str]:
        running = daemon.find(self.place)
        assert running
        servers = len(ask(running, "GET", "servers")["servers"])
        stands = inventory.of(self.target)
        if self.name in SLEEPING:
            servers = inventory.without_a_revision(stands, servers)
        return stands + Counter({"model server": servers})

    def _ask(self, method: str, body: object = None) -> Any:
        running = daemon.find(self.place)
        assert running, "the emulator ended"
        return ask(running, method, "faults", body)


@dataclass
class Local:
    """This machine, whose router has no faults: the verbs of the target go wrong."""

    folder: Path
    target: Target
    settings: dict[str, str]
    faults: tuple[str, ...] = FAULTS_OF_VERBS
    name: str = "local"
    _count: int = 0

    def plan(self, kind: str = "", point: Point = START, *, seconds: float = SLOW) -> Blow | None:
        self._count += 1
        self._notes.touch()
        return Blow(kind, point, self._notes, seconds)

    def met(self) -> bool:
        return self._notes.with_suffix(".met").exists()

    def go_on(self) -> None:
        """End a slow call."""
        self._notes.with_suffix(".go").touch()

    def calls(self) -> list[str]:
        return self._notes.read_text().splitlines()

    def inventory(self) -> Counter[str]:
        return inventory.of(self.target)

    @property
    def _notes(self) -> Path:
        return self.folder / f"{self._count}.calls"


@contextmanager
def opened(name: str, folder: Path, settings: dict[str, str]) -> Iterator[Arena]:
    """Bring up what a target needs, and end it afterwards."""
    before = dict(os.environ)
    kind = cloud_of(name)
    cloud = plugins.find(kind)
    state = folder / "state"
    known = {key: one.default for key, one in cloud.settings.items()} | settings
    known |= {"service": SERVICES[name][1]} if name in SERVICES else {}
    place = Place(kind, state, speed=SPEED)
    try:
        if cloud.provision:
            daemon.up(place)
            known = dict(account.enter(kind, cloud, known, state))
        known |= {"state": str(state)}
        target = stable.opened(kind, known)
        notes = folder / "calls"
        notes.mkdir(parents=True, exist_ok=True)
        yield (
            Emulated(name, place, target, known) if cloud.provision else Local(notes, target, known)
        )
    finally:
        if cloud.provision:
            daemon.down(place)
        else:
            _end_router(state / "local")
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(state, ignore_errors=True)


def cloud_of(name: str) -> str:
    """Return the cloud whose target a name means, as ``--target`` calls it."""
    return SERVICES[name][0] if name in SERVICES else name


def _end_router(folder: Path) -> None:
    if router.find(folder):
        pid = json.loads((folder / "running.json").read_text())["pid"]
        os.kill(pid, signal.SIGTERM)


def lock_of(target: Target) -> Note | None:
    """Return the endpoint's lock, if one stands."""
    return target.notes.read(f"locks/{ENDPOINT}.json")
