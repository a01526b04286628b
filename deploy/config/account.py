"""Settings of an account: those of the emulated one, or what Terraform made in a real one.

The emulated cloud is reached by its own door, and never by accident another.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tridock.deploy.config.load import Config
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


# Settings of a live release by Terraform: the output ``deploy`` of the target's module.

#: The modules of this checkout, a folder for each target.
MODULES = Path(__file__).resolve().parents[2] / "terraform"
#: The module's output with the account's settings, under the names they have in ``release.toml``.
OUTPUT = "deploy"


def completed(config: Config, cloud: Cloud) -> dict[str, str]:
    """Return the settings, with Terraform's values for those that were not given.

    Raises
    ------
    ConfigError
        If the module is named and was not applied, or its output is not what is read here; the
        message names the module.
    """
    values = _told(config)
    if values is None:
        return dict(config.settings)
    _refuse_other(config.target, values, cloud)
    made = {name: value for name, value in values.items() if name not in config.given}
    return {**config.settings, **made}


def advice(target: str) -> str:
    """Say how what Terraform makes for a target is made."""
    return f"`make provision-{target} LIVE=1` makes it by the module terraform/{target}"


def _told(config: Config) -> dict[str, str] | None:
    """Return the output; None if no module is named and the checkout's own was never applied."""
    place = config.terraform or MODULES / config.target
    if place.is_dir() and (place / config.target).is_dir():
        place = place / config.target
    if config.terraform is None and not (place / ".terraform").exists():
        return None
    outputs = _json(_printed(place) if place.is_dir() else _written(place), place)
    if config.terraform is None and not outputs:  # planned, and never applied
        return None
    try:
        return {name: str(value) for name, value in outputs[OUTPUT]["value"].items()}
    except (AttributeError, KeyError, TypeError):
        raise ConfigError(f"{place} has no output {OUTPUT!r}: {advice(config.target)}") from None


def _printed(module: Path) -> str:
    command = ["terraform", f"-chdir={module}", "output", "-json"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ConfigError(
            f"terraform, which would tell what {module} made, is not installed: install it, or "
            "name a file with its `output -json` as `terraform` in release.toml"
        ) from None
    if said.returncode:
        raise ConfigError(f"`{' '.join(command)}` failed: {said.stderr.strip()}")
    return said.stdout


def _written(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}, named as `terraform`, cannot be read: {error}") from error


def _json(text: str, place: Path) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{place} is no `terraform output -json`: {error}") from error


def _refuse_other(target: str, values: Mapping[str, str], cloud: Cloud) -> None:
    missing = [
        name for name, setting in cloud.settings.items() if setting.account and name not in values
    ]
    unknown = sorted(set(values) - set(cloud.settings))
    if missing:
        raise ConfigError(
            f"the output {OUTPUT!r} of terraform/{target} lacks {', '.join(missing)}: the module "
            f"is older than this checkout, and {advice(target)}"
        )
    if unknown:
        raise ConfigError(
            f"the output {OUTPUT!r} of terraform/{target} has {', '.join(unknown)}, which no key "
            f"of [{target}] is: take the deployer and the module from the same checkout"
        )
