"""The fork server's memory: a target whose SDK is imported and whose clients are made.

`multiprocessing`'s fork server imports this module once; each deployer is forked from it and
begins where a fresh process would be after a second of imports. Nothing is connected here.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any

from deploy import commands, registry
from deploy.target import Target

#: A JSON object: the target's name and its settings.
VARIABLE = "TRIDOCK_ORDEAL"

#: Parts of the adapters that make their client when it is first used.
CLIENTS = ("sagemaker", "s3", "runtime", "logs", "client", "http", "storage", "endpoints", "models")


def opened(told: dict[str, Any]) -> Target:
    """Open a target, and its clients."""
    target = registry.open_target(told["target"], told["settings"])
    account = getattr(target, "account", None)
    for name in CLIENTS:
        with suppress(AttributeError):
            getattr(account, name)
    return target


assert commands.COMMANDS

_TOLD: dict[str, Any] = json.loads(os.environ.get(VARIABLE, '{"target": "local", "settings": {}}'))
SETTINGS: dict[str, str] = _TOLD["settings"]
CLOUD = registry.find(_TOLD["target"])
TARGET = opened(_TOLD) if SETTINGS else None
