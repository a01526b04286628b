"""Requests to an emulator itself, below ``/_emulator/``."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
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
    """Return the address of an emulator itself, if it tells one."""
    return next(
        (running.environment[name] for name in ADDRESSES if name in running.environment), None
    )


def ask(running: Running, method: str, control: str, body: object = None) -> Any:
    """Send one request to an emulator and return its JSON, None for an empty answer.

    Parameters
    ----------
    control : str
        What is asked, e.g. ``"faults"``.

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
    asked = urllib.request.Request(url, data, headers, method=method)
    try:
        with direct.open(asked, timeout=10) as answer:
            told = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            raise EmulatorError(f"{url}: {error.read().decode(errors='replace')}") from error
    except (urllib.error.URLError, OSError) as error:
        raise EmulatorError(f"{url} does not answer: {error}") from error
    return json.loads(told) if told else None


def _token(running: Running) -> str:
    return next((running.environment[name] for name in TOKENS if name in running.environment), "")
