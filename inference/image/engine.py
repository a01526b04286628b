"""The container engine of this machine, by its command line, `docker`."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

#: A daemon that does not answer a question in this time does not answer at all.
PATIENCE_SECONDS = 120.0


class EngineError(RuntimeError):
    """The engine is missing, silent, or refused; the message has its own words."""


class AbsentImageError(EngineError):
    """There is no image of that name on this machine."""


@dataclass(frozen=True)
class Image:
    """Description of an image by its engine.

    Attributes
    ----------
    name : str
        Its name, as given.
    id : str
        Digest of its configuration.
    config : dict
        Docker's ``Config``: ``User``, ``Entrypoint``, ``Env``, ``Labels``, ``Healthcheck``, …
    layers : tuple of str
        Digests, the lowest first.
    bytes : int
        Of all layers, not compressed.
    platform : str
        E.g. ``linux/amd64``.
    """

    name: str
    id: str
    config: dict[str, Any]
    layers: tuple[str, ...]
    bytes: int
    platform: str

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels by name; empty if it has none."""
        return self.config.get("Labels") or {}

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables by name."""
        return dict(pair.split("=", 1) for pair in self.config.get("Env") or ())


def docker(*words: str, patience: float | None = PATIENCE_SECONDS) -> str:
    """Run one command of Docker's and return what it prints.

    Parameters
    ----------
    patience : float or None
        Seconds it may take; None for as long as it likes.

    Raises
    ------
    EngineError
        If there is no docker, no daemon answers, or the command fails.
    """
    try:
        done = subprocess.run(
            ["docker", *words], capture_output=True, text=True, check=False, timeout=patience
        )
    except FileNotFoundError:
        raise EngineError("there is no docker command on this machine") from None
    except subprocess.TimeoutExpired:
        raise EngineError(f"docker {words[0]} did not answer in {patience:g} s") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise EngineError(f"docker {words[0]}: {said[-1]}")
    return done.stdout.strip()


def demand() -> None:
    """Make sure that an engine answers.

    Raises
    ------
    EngineError
        If none does; the message says what to install or start.
    """
    try:
        docker("version", "--format", "{{.Server.Version}}", patience=20)
    except EngineError as error:
        raise EngineError(f"install Docker, or start it: no engine answers ({error})") from error


def inspect(name: str) -> Image:
    """Return what the image of this name says of itself.

    Raises
    ------
    AbsentImageError
        If there is none on this machine; nothing is pulled.
    EngineError
        If the engine does not answer.
    """
    try:
        described = json.loads(docker("image", "inspect", name))[0]
    except EngineError as error:
        if "no such image" in str(error).lower() or "invalid reference" in str(error).lower():
            raise AbsentImageError(f"there is no image {name} on this machine") from error
        raise
    return Image(
        name,
        described["Id"],
        described["Config"],
        tuple(described["RootFS"]["Layers"]),
        described["Size"],
        f"{described['Os']}/{described['Architecture']}",
    )
