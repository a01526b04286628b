"""Access to an emulator: a secret of its state folder, and no web page of a browser."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

from tridock.emulators.place import write_whole

#: Names of this machine by which clients reach an emulator itself.
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
#: Values of Sec-Fetch-Site that no page of another site can have caused (W3C «Fetch Metadata
#: Request Headers», 2.3): the emulator's own pages, and addresses that a person typed.
TRUSTED_SITES = ("same-origin", "none")


def token_name(cloud: str) -> str:
    """Return the environment variable that holds the secret of a cloud's emulator."""
    return f"TRIDOCK_{cloud.upper()}_TOKEN"


def secret(folder: Path, name: str = "secret") -> str:
    """Return the secret of a state folder; make it at the first call, readable by its owner only.

    Parameters
    ----------
    folder : Path
        The emulator's own folder; must exist.
    name : str
        File of the secret, for clouds that keep several.
    """
    path = folder / name
    with suppress(FileNotFoundError):
        if text := path.read_text().strip():
            return text
    write_whole(path, secrets.token_urlsafe(32).encode())
    return path.read_text()


def is_authorized(headers: Mapping[str, str], token: str) -> bool:
    """Return whether a request carries the secret as a bearer token (RFC 6750, 2.1).

    Parameters
    ----------
    headers : Mapping of str to str
        Names in lower case.
    """
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), token.encode())


def refusal(headers: Mapping[str, str], hosts: Iterable[str] = ()) -> str | None:
    """Return why a request cannot come from a client of this emulator; None if it can.

    A browser sends `Origin` and `Sec-Fetch-Site` with requests that a page of another site makes,
    and a page whose name was bound to the loopback (DNS rebinding) sends its own name as `Host`.

    Parameters
    ----------
    headers : Mapping of str to str
        Names in lower case.
    hosts : Iterable of str
        Patterns of the cloud's host names that reach the emulator through its proxy,
        e.g. ``"*.googleapis.com"``. Names of the loopback are accepted always.
    """
    host = headers.get("host", "").lower()
    name = _name(host)
    if name not in LOOPBACK and not any(fnmatchcase(name, pattern) for pattern in hosts):
        return f"the Host header {host!r} names no host of this emulator"
    origin = headers.get("origin", "")
    if origin and urlsplit(origin).netloc.lower() != host:
        return f"requests of web pages are refused, and this one has the Origin {origin!r}"
    site = headers.get("sec-fetch-site", "")
    if site and site not in TRUSTED_SITES:
        return f"requests of web pages are refused, and this one has the Sec-Fetch-Site {site!r}"
    return None


def _name(host: str) -> str:
    """Return a Host header's name without its port (RFC 9110, 7.2)."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
