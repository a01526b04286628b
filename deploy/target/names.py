"""Names that come from outside, checked before one of them becomes a path or an address."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tridock.deploy.target.errors import ConfigError

#: Endpoints, deployments and models: what at least one cloud takes, and no path or address means
#: anything by. Each cloud refuses more of them by itself.
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
#: Versions of bundles, as `tridock.inference.bundle.manifest.VERSION` has them.
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,31}")
#: Digests of bundles: hex SHA-256.
DIGEST = re.compile(r"[0-9a-f]{64}")
#: Keys of notes: names parted by slashes, none of which begins with a dot.
KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}){0,4}")

_EXPECTED = {
    NAME: "1 to 63 letters, digits, hyphens and underscores, with a letter or digit first and last",
    VERSION: "1 to 32 of A-Z, a-z, 0-9, ., _, + and -, with a letter or digit first",
    DIGEST: "64 of 0-9 and a-f",
    KEY: "names parted by slashes",
}


def check(kind: str, name: str, pattern: re.Pattern[str] = NAME) -> str:
    """Return a name that is safe in a path and in an address.

    Parameters
    ----------
    kind : str
        What it names, for the message, e.g. ``"endpoint"``.
    pattern : re.Pattern
        `NAME`, `VERSION`, `DIGEST` or `KEY`.

    Raises
    ------
    ConfigError
        If it is not; the message says what was expected.
    """
    if not pattern.fullmatch(name):
        raise ConfigError(f"{kind} {name[:80]!r}: {_EXPECTED[pattern]} were expected")
    return name


def check_all(kind: str, names: Iterable[str]) -> None:
    """Check every name; see `check`."""
    for name in names:
        check(kind, name)


def is_key(text: str) -> bool:
    """Tell whether a text may be the key of a note."""
    return KEY.fullmatch(text) is not None
