"""The machine at hand as a target: a process per deployment behind a small router."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tridock.deploy.target.plugins import Cloud

if TYPE_CHECKING:
    from tridock.deploy.target.protocol import Target


def _open(settings: Mapping[str, str]) -> Target:
    from tridock.deploy.local.target import LocalTarget

    return LocalTarget(Path(settings["state"]).resolve() / "local")


CLOUD = Cloud(settings={}, open=_open)
