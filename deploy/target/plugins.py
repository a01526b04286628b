"""Find a target by name; its SDK is imported only when it is opened."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from typing import cast

from tridock.deploy.target.errors import ConfigError, MissingDependencyError
from tridock.deploy.target.plugin import Cloud
from tridock.deploy.target.protocol import Target
from tridock.inference import extras

#: Each package has `CLOUD`, a `tridock.deploy.target.plugin.Cloud`, and imports no SDK by itself.
TARGETS = {
    "aws": "tridock.deploy.aws",
    "azure": "tridock.deploy.azure",
    "gcp": "tridock.deploy.gcp",
    "local": "tridock.deploy.local",
}


@cache
def find(name: str) -> Cloud:
    """Return what the target called `name` tells about itself.

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
    try:
        return find(name).open(settings)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("tridock"):
            raise
        raise MissingDependencyError(
            f"target {name!r} cannot be used: {extras.advice(error)}"
        ) from error
