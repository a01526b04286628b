"""Without ``--live``: the emulated cloud, reached by its own door and never by accident another."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tridock.deploy.target.errors import ConfigError, DeployError
from tridock.deploy.target.plugins import Cloud, imported
from tridock.inference.process.model_server import importing

#: The emulators' own command; the deployers know nothing else of them.
DOOR = ["-m", "tridock.emulators"]


def enter(name: str, cloud: Cloud, settings: Mapping[str, str], state: Path) -> Mapping[str, str]:
    """Lead this process's clients of a cloud to its emulator, starting it if it is not up.

    Returns
    -------
    Mapping
        The settings, completed by what exists in the emulated account.

    Raises
    ------
    DeployError
        If the emulator does not start.
    """
    if not cloud.provision:
        return settings
    variables, unset = _variables(name, state)
    ambient = [each for each in os.environ if each.startswith(cloud.ambient)]
    for foreign in {*ambient, *unset} & set(os.environ):
        del os.environ[foreign]  # a profile or an endpoint of the caller's could lead elsewhere
    os.environ.update(variables)
    completed: Mapping[str, str] = imported(cloud.provision)(settings)
    return completed


def _variables(name: str, state: Path) -> tuple[dict[str, str], list[str]]:
    """Read the ``export NAME=value`` and ``unset NAME`` lines of ``tridock emulators env``."""
    command = [sys.executable, "-P", *DOOR, "env", name, "--state", str(state.resolve())]
    said = subprocess.run(
        command, env=importing(os.environ), capture_output=True, text=True, check=False
    )
    if said.returncode:
        kind = ConfigError if said.returncode == 2 else DeployError
        reason = said.stderr.strip().removeprefix("error: ")
        raise kind(f"the {name} emulator did not start: {reason}")
    lines = [shlex.split(line) for line in said.stdout.splitlines()]
    exported = dict(line[1].split("=", 1) for line in lines if line[0] == "export")
    return exported, [line[1] for line in lines if line[0] == "unset"]
