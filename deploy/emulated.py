"""Without ``--live``: the emulated cloud, reached by its own door and never by accident another."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.cloud import Cloud
from deploy.errors import DeployError

#: The emulators' own command; the deployers know nothing else of them.
DOOR = ["-m", "emulators"]


def enter(name: str, cloud: Cloud, settings: Mapping[str, str], state: Path) -> Mapping[str, str]:
    """Lead this process's clients of a cloud to its emulator, starting it if it is not up.

    Returns
    -------
    Mapping
        The settings, completed by what stands in the emulated account.

    Raises
    ------
    DeployError
        If the emulator does not start.
    """
    if cloud.provision is None:
        return settings
    variables = _variables(name, state)
    for ambient in [each for each in os.environ if each.startswith(cloud.ambient)]:
        del os.environ[ambient]  # a profile or an endpoint of the caller's could lead elsewhere
    os.environ.update(variables)
    return cloud.provision(settings)


def _variables(name: str, state: Path) -> dict[str, str]:
    """Ask ``python -m emulators env`` and read its ``export NAME=value`` lines."""
    command = [sys.executable, *DOOR, "env", name, "--state", str(state.resolve())]
    root = Path(__file__).resolve().parents[1]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if said.returncode:
        raise DeployError(f"the {name} emulator did not start: {said.stderr.strip()}")
    words = [word for line in said.stdout.splitlines() for word in shlex.split(line)[1:]]
    return dict(word.split("=", 1) for word in words)
