"""Requests to an emulator itself, below ``/_emulator/``, and its status."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from tridock.emulators.access import token_name
from tridock.emulators.daemon import Running
from tridock.emulators.errors import EmulatorError
from tridock.emulators.place import CLOUDS

#: Variables that hold an emulator's secret, one for each cloud.
TOKENS = tuple(token_name(cloud) for cloud in CLOUDS)
#: Variables of the clients' environments that name an emulator's own address, one for each cloud.
ADDRESSES = ("AWS_ENDPOINT_URL", "TRIDOCK_GCP_URL", "TRIDOCK_AZURE_LOCAL")


def address(running: Running) -> str | None:
    """Return the address of an emulator itself, if its environment has one."""
    return next(
        (running.environment[name] for name in ADDRESSES if name in running.environment), None
    )


def ask(running: Running, method: str, control: str, body: object = None) -> Any:
    """Send one request to an emulator and return its JSON, None for an empty answer.

    Parameters
    ----------
    control : str
        Last part of the path, e.g. ``"faults"``.

    Raises
    ------
    EmulatorError
        If it refuses or does not answer; the message says why.
    """
    trusted = ssl.create_default_context(cafile=running.environment.get("SSL_CERT_FILE"))
    # Without the proxies that this process may be set to: it is on the loopback.
    direct = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
    )
    url = f"{address(running)}/_emulator/{control}"
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {_token(running)}"}
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with direct.open(request, timeout=10) as answer:
            content = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            raise EmulatorError(f"{url}: {error.read().decode(errors='replace')}") from error
    except (urllib.error.URLError, OSError) as error:
        raise EmulatorError(f"{url} does not answer: {error}") from error
    return json.loads(content) if content else None


@dataclass(frozen=True)
class Status:
    """The status of one emulator.

    Attributes
    ----------
    up : bool
        Whether it answers; if not, the other attributes are None.
    pid : int or None
        Its process.
    url : str or None
        Its address.
    uptime : float or None
        Real seconds since it first answered.
    servers : int or None
        Number of its model servers; None if it does not report them.
    """

    up: bool
    pid: int | None = None
    url: str | None = None
    uptime: float | None = None
    servers: int | None = None

    @classmethod
    def of(cls, running: Running | None) -> Status:
        """Return the status of an emulator; None is one that is down."""
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
        report = ask(running, "GET", "servers")
    except (EmulatorError, ValueError):
        return None
    servers = report.get("servers") if isinstance(report, dict) else None
    if isinstance(servers, dict):  # by deployment
        servers = [server for several in servers.values() for server in several]
    return len(servers) if isinstance(servers, list) else None


def _token(running: Running) -> str:
    return next((running.environment[name] for name in TOKENS if name in running.environment), "")
