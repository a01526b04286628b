"""What an emulator that runs can say of itself."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tridock.emulators.asking import address, ask
from tridock.emulators.daemon import Running
from tridock.emulators.errors import EmulatorError


@dataclass(frozen=True)
class Status:
    """One emulator.

    Attributes
    ----------
    up : bool
        Whether it answers; if not, the rest says nothing.
    pid : int or None
        Its process.
    url : str or None
        Its address.
    uptime : float or None
        Real seconds since it first answered.
    servers : int or None
        How many model servers run behind it; None if it does not say.
    """

    up: bool
    pid: int | None = None
    url: str | None = None
    uptime: float | None = None
    servers: int | None = None

    @classmethod
    def of(cls, running: Running | None) -> Status:
        """Ask an emulator, if there is one."""
        if running is None:
            return cls(up=False)
        uptime = time.time() - running.started
        return cls(True, running.pid, address(running), uptime, _servers(running))

    def __str__(self) -> str:
        if not self.up:
            return "down"
        servers = "" if self.servers is None else f", {self.servers} model servers"
        return f"up {self.uptime:.0f} s, pid {self.pid}, {self.url}{servers}"


def _servers(running: Running) -> int | None:
    try:
        found = ask(running, "GET", "servers")
    except (EmulatorError, ValueError):
        return None
    servers = found.get("servers") if isinstance(found, dict) else None
    if isinstance(servers, dict):  # by deployment
        servers = [server for several in servers.values() for server in several]
    return len(servers) if isinstance(servers, list) else None
