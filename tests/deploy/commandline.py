"""The deployers' door, used as a person does: by a process of its own."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import warm

ROOT = Path(__file__).resolve().parents[2]

#: Unless a test says otherwise, no verdict of the judge depends on how fast this machine is, and
#: it sends few requests.
UNHURRIED = {"TRIDOCK_GATES_LATENCY_P95": "600000", "TRIDOCK_GATES_REQUESTS": "5"}


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Door:
    """Commands on one target with a state folder of their own."""

    target: str
    state: Path

    def __call__(
        self,
        verb: str,
        *words: str | Path,
        stdin: str = "",
        environment: dict[str, str] | None = None,
    ) -> Said:
        _, _, module, *given = self.command(verb, *words)
        variables = {**os.environ, **UNHURRIED, **(environment or {})}
        ended = warm.run(module, given, folder=ROOT, environment=variables, stdin=stdin)
        return Said(ended.code, ended.out, ended.err)

    def command(self, verb: str, *words: str | Path) -> list[str]:
        """Return the words of a command; a verb may have two, such as ``models list``."""
        named = ["--target", self.target, "--state", str(self.state), "--endpoint", "iris"]
        return [sys.executable, "-m", "tridock.deploy", *verb.split(), *named, *map(str, words)]
