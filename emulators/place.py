"""Where one emulated cloud lives on this machine, and how it was asked to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tridock.emulators.clock import DEFAULT_SPEED

#: Clouds by name; `emulators.<name>` has `serve(place, ready)`.
CLOUDS = ("aws", "gcp", "azure")

#: The folder that `tridock` is imported from: the checkout, or site-packages.
ROOT = Path(__file__).absolute().parents[2]

#: State of all clouds, in the current folder: two projects never share an emulator.
STATE = Path.cwd() / ".tridock"

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
        """Everything this cloud writes stands here."""
        return self.state / self.cloud

    @property
    def log(self) -> Path:
        """The emulator's own log."""
        return self.folder / "emulator.log"

    @property
    def running(self) -> Path:
        """File that stands while the emulator answers: process id and environment, as JSON."""
        return self.folder / "running.json"

    @property
    def notices(self) -> Path:
        """File of what the last start found wrong, one line each; `up` prints them."""
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
