"""The question before something costs money or changes what others use."""

from __future__ import annotations

import argparse
import sys

from tridock.deploy.target.errors import ConfigError
from tridock.inference.plaintext import line


def demand(options: argparse.Namespace, what: str) -> None:
    """Ask for ``yes``, unless it was said already.

    Raises
    ------
    ConfigError
        If it is not given.
    """
    if options.yes:
        return
    sys.stderr.write(f"{line(what)}: type yes to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != "yes":
        raise ConfigError("not confirmed, nothing was changed: type yes, or use --yes")
