"""Find a target by name; its SDK is imported only when it is opened."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from tridock.deploy.target.errors import ConfigError, MissingDependencyError
from tridock.deploy.target.protocol import Target
from tridock.inference import extras

#: Each package has `CLOUD`, a `tridock.deploy.target.plugins.Cloud`, and imports no SDK by itself.
TARGETS = {
    "aws": "tridock.deploy.aws",
    "azure": "tridock.deploy.azure",
    "gcp": "tridock.deploy.gcp",
    "local": "tridock.deploy.local",
}


@cache
def find(name: str) -> Cloud:
    """Return the description of the target called `name`.

    Raises
    ------
    ConfigError
        If there is no such target.
    """
    if name not in TARGETS:
        raise ConfigError(f"unknown target {name!r}: choose one of {', '.join(TARGETS)}")
    return cast(Cloud, importlib.import_module(TARGETS[name]).CLOUD)


def open_target(name: str, settings: Mapping[str, str]) -> Target:
    """Return the target called `name`.

    Parameters
    ----------
    settings : Mapping[str, str]
        Values for all of `Cloud.settings`.

    Raises
    ------
    ConfigError
        If there is no such target, or a setting is wrong.
    MissingDependencyError
        If its SDK is not installed.
    """
    services, service = find(name).services, settings.get("service", "")
    if service not in services:
        *others, last = services
        raise ConfigError(f"{name}.service is {service!r}: choose {', '.join(others)} or {last}")
    try:
        return cast(Target, imported(services[service]).connect(settings))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("tridock"):
            raise
        raise MissingDependencyError(
            f"target {name!r} cannot be used: {extras.advice(error)}"
        ) from error


def imported(name: str) -> Any:
    """Import what ``module:attribute`` names."""
    module, attribute = name.split(":")
    return getattr(importlib.import_module(module), attribute)


# Descriptions of targets for the core, before any SDK is imported.


@dataclass(frozen=True)
class Setting:
    """A key of the target's table in ``release.toml``.

    Attributes
    ----------
    default : str
        Its default; empty for none.
    about : str
        What it means, for documents and messages.
    account : bool
        Whether it names something in one account (a bucket, a role). In the emulated account
        the file's value means nothing; there, `Cloud.provision` names what makes one.
    runs : bool
        Whether it changes what a deployment runs: another value is a deployment of its own.
    """

    default: str
    about: str
    account: bool = False
    runs: bool = False


@dataclass(frozen=True)
class Prices:
    """Public on-demand prices.

    Attributes
    ----------
    hourly : Mapping[str, float]
        US dollars per hour, by machine size.
    source : str
        Title of the page they were read on, its region and date.
    """

    hourly: Mapping[str, float]
    source: str


@dataclass(frozen=True)
class Cloud:
    """One kind of target.

    Attributes
    ----------
    settings : Mapping[str, Setting]
        Keys of its table in ``release.toml``. The core reads ``image``, ``instance`` and
        ``count``; the others mean something to its target alone.
    services : Mapping[str, str]
        By its setting ``service``, which is empty where there is one alone: ``module:class`` of
        the target, whose ``connect`` takes the settings, imports the SDK, and calls nothing.
    provision : str
        ``module:function`` that makes in the *emulated* account what Terraform makes in a real
        one, where a setting is empty, and returns the settings completed. Empty for a target
        without emulator.
    ambient : tuple of str
        Beginnings of the environment variables its SDK obeys: none of the caller's is left
        when the emulator is used.
    prices : Prices or None
        None for a target that costs nothing.
    """

    settings: Mapping[str, Setting]
    services: Mapping[str, str]
    provision: str = ""
    ambient: tuple[str, ...] = ()
    prices: Prices | None = None
    advice: str = ""
    """Advice on getting credentials for it, for a person."""
    required: tuple[str, ...] = field(default=())
    """Settings that a live account cannot do without."""
