"""What an emulator that runs can say of itself."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from emulators.daemon import Running

#: Variables of the clients' environments that name an emulator's own address, one for each cloud.
ADDRESSES = ("AWS_ENDPOINT_URL", "TRIDOCK_GCP_URL", "TRIDOCK_AZURE_LOCAL")


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
        known = running.environment
        url = next((known[name] for name in ADDRESSES if name in known), None)
        uptime = time.time() - running.started
        return cls(True, running.pid, url, uptime, _servers(url, known))

    def __str__(self) -> str:
        if not self.up:
            return "down"
        servers = "" if self.servers is None else f", {self.servers} model servers"
        return f"up {self.uptime:.0f} s, pid {self.pid}, {self.url}{servers}"


def _servers(url: str | None, environment: Mapping[str, str]) -> int | None:
    context = ssl.create_default_context(cafile=environment.get("SSL_CERT_FILE"))
    direct = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with direct.open(f"{url}/_emulator/servers", timeout=5) as answer:
            found = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return None
    servers = found.get("servers") if isinstance(found, dict) else None
    if isinstance(servers, dict):  # by deployment
        servers = [server for several in servers.values() for server in several]
    return len(servers) if isinstance(servers, list) else None
