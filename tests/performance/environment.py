"""The environments of those who are measured: each its own, from its own lock."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

from tests.performance.errors import MeasuringError
from tests.performance.running import MB

ROOT = Path(__file__).resolve().parents[2]


@cache
def make(name: str) -> None:
    """Make an environment, unless it is there and newer than its lock.

    Raises
    ------
    MeasuringError
        If a package cannot be had.
    """
    command = ["make", "-s", f".venvs/bench-{name}/ready"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        told = (done.stderr or done.stdout).strip().splitlines()
        raise MeasuringError(f"no environment: {told[0] if told else done.returncode}")


def programs(name: str) -> Path:
    """Return the folder of an environment's programs."""
    return ROOT / ".venvs" / f"bench-{name}" / "bin"


def versions(name: str, packages: tuple[str, ...]) -> str:
    """Return names and versions of packages in an environment."""
    found = dict(_installed(name))
    return ", ".join(f"{each} {found.get(_plain(each), '?')}" for each in packages)


@cache
def megabytes(name: str) -> float:
    """Return what an environment takes on disk, in MB; the interpreter does not count."""
    sizes = {
        (at.st_dev, at.st_ino): at.st_blocks * 512
        for path in programs(name).parent.rglob("*")
        if not path.is_symlink() and (at := path.stat())
    }
    return sum(sizes.values()) / MB


@cache
def _installed(name: str) -> tuple[tuple[str, str], ...]:
    places = programs(name).parent.glob("lib/python*/site-packages/*.dist-info")
    found = (place.name.removesuffix(".dist-info").rpartition("-") for place in places)
    return tuple((_plain(package), version) for package, _, version in found)


def _plain(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()
