"""The state folder of one emulated cloud: its files, settings and ports."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tridock.emulators.clock import DEFAULT_SPEED
from tridock.emulators.errors import StartError

#: Clouds by name; `emulators.<name>` has `serve(place, ready)`.
CLOUDS = ("aws", "gcp", "azure")

#: The folder that `tridock` is imported from: the checkout, or site-packages.
ROOT = Path(__file__).absolute().parents[2]

#: State of all clouds, in the current folder: two projects never share an emulator.
STATE = Path.cwd() / ".tridock"

Bound = TypeVar("Bound")

#: Names of the drafts of `write_whole`: the file and the thread; one process writes the folder.
DRAFTS = ".*.[0-9]*"

#: Called once by a cloud that answers, with the environment that leads clients to it. The value
#: None removes a variable of the caller that would lead elsewhere; then the name may be a pattern,
#: e.g. ``"AWS_ENDPOINT_URL_*"``.
Ready = Callable[[Mapping[str, str | None]], None]


@dataclass(frozen=True)
class Place:
    """One cloud's folder and settings.

    Attributes
    ----------
    cloud : str
        One of `CLOUDS`.
    state : Path
        Folder of all clouds; this one's is `folder`.
    runner : str
        What runs model servers: ``"process"`` or ``"docker"``.
    speed : float
        Emulated seconds per real second.
    any_credentials : bool
        Whether clients may bring credentials that the emulator did not issue.
    """

    cloud: str
    state: Path = STATE
    runner: str = "process"
    speed: float = DEFAULT_SPEED
    any_credentials: bool = False

    @property
    def folder(self) -> Path:
        """The folder of everything that this cloud writes."""
        return self.state / self.cloud

    @property
    def log(self) -> Path:
        """The emulator's own log."""
        return self.folder / "emulator.log"

    @property
    def running(self) -> Path:
        """File that exists while the emulator answers: process id and environment, as JSON."""
        return self.folder / "running.json"

    @property
    def notices(self) -> Path:
        """File of the last start's warnings, one per line; `up` prints them."""
        return self.folder / "notices"

    @property
    def chosen(self) -> Path:
        """File with the name of the runner that this cloud was last started with."""
        return self.folder / "runner"

    def make(self) -> None:
        """Make the folder, which its owner alone may enter (mode 0700)."""
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o700)

    def remembered(self) -> str:
        """Return the runner that this cloud was last started with, else the default."""
        try:
            return self.chosen.read_text()
        except FileNotFoundError:
            return Place.runner

    @property
    def servers(self) -> Path:
        """Folder of the model servers' working directories and logs."""
        return self.folder / "servers"


@dataclass(frozen=True)
class Ports:
    """The ports of an emulator: the same after every start, because open shells keep its address.

    Attributes
    ----------
    file : Path
        Keeps them, as a JSON list.
    numbers : tuple of int
        The remembered ports; at the first start of a state folder, the preferred ones.
    are_remembered : bool
        Whether clients may know them already: then no other port will do.
    """

    file: Path
    numbers: tuple[int, ...]
    are_remembered: bool

    @classmethod
    def at(cls, file: Path, preferred: Sequence[int]) -> Ports:
        """Read the ports of a state folder, or begin with the preferred ones."""
        with suppress(FileNotFoundError, ValueError, TypeError):
            numbers = tuple(int(number) for number in json.loads(file.read_text()))
            if len(numbers) == len(preferred):
                return cls(file, numbers, are_remembered=True)
        return cls(file, tuple(preferred), are_remembered=False)

    def bind(self, place: int, listen: Callable[[int], Bound]) -> Bound:
        """Listen on the port at `place` of `numbers`.

        Parameters
        ----------
        listen : callable
            Binds 127.0.0.1 at a port, 0 for a free one; raises OSError if the port is taken.

        Raises
        ------
        StartError
            If another program has a remembered port.
        """
        number = self.numbers[place]
        try:
            return listen(number)
        except OSError as error:
            if self.are_remembered:
                raise self._taken(number) from error
        return listen(0)

    def remember(self, numbers: Sequence[int]) -> None:
        """Keep the ports that were bound."""
        write_whole(self.file, json.dumps(list(numbers)).encode())

    def _taken(self, number: int) -> StartError:
        return StartError(
            f"another program listens on 127.0.0.1:{number}, the address that shells already use "
            f"for this emulator. End that program (`ss -ltnp` lists it), or delete {self.file} "
            "to have the emulator choose other ports, and then repeat `eval` of `env` in each shell"
        )


def write_whole(path: Path, data: bytes) -> None:
    """Write a file of the owner's own (mode 0600) as a whole; a kill or a full disk leaves none.

    Raises
    ------
    OSError
        If the disk does not take it; an older file at `path` is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{threading.get_ident()}")
    try:
        draft.touch(mode=0o600)
        draft.write_bytes(data)
        draft.rename(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def remove_drafts(folder: Path) -> None:
    """Remove the drafts of `write_whole` that a kill left in `folder` and in the folders in it."""
    for pattern in (DRAFTS, f"*/{DRAFTS}"):
        for draft in folder.glob(pattern):
            draft.unlink(missing_ok=True)
