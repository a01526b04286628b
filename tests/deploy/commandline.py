"""The deployers' door, used as a person does: by a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

#: No verdict of the judge depends on how fast this machine is, unless a test says so.
UNHURRIED = {"TRIDOCK_GATES_LATENCY_P95": "600000"}


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
        done = subprocess.run(
            self.command(verb, *words),
            cwd=ROOT,
            env={**os.environ, **UNHURRIED, **(environment or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def command(self, verb: str, *words: str | Path) -> list[str]:
        """Return the words of a command; a verb may have two, such as ``models list``."""
        named = ["--target", self.target, "--state", str(self.state), "--endpoint", "iris"]
        return [sys.executable, "-m", "deploy", *verb.split(), *named, *map(str, words)]
