"""Who changes something: a person or a CI run, and the process that does it."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: Where CI systems say which run this is: GitHub Actions, GitLab CI, Azure Pipelines, Jenkins,
#: AWS CodeBuild, Google Cloud Build; "Predefined variables" of each.
RUNS = ("CI_JOB_URL", "BUILD_URL", "CODEBUILD_BUILD_ID", "BUILD_BUILDURI", "BUILD_ID")


@dataclass(frozen=True)
class Owner:
    """One process, as others are to read of it.

    Attributes
    ----------
    name : str
        ``user@host``.
    run : str
        The CI run, as an address where there is one; else empty.
    machine : str
        Where its process number means something: one boot of one host or container.
    process : str
        Its number and when it began, so that a number used again is another process.
    """

    name: str
    run: str
    machine: str
    process: str

    @classmethod
    def here(cls, environment: Mapping[str, str] = os.environ) -> Owner:
        """Return this process."""
        host = socket.gethostname()
        pid = os.getpid()
        process = f"{pid} {_began(pid) or ''}".strip()
        return cls(f"{_user()}@{host}", _run(environment), _machine(host), process)

    def has_ended(self) -> bool:
        """Tell whether it was a process of this machine, and is no more.

        Of another machine's nobody here can tell.
        """
        if self.machine != Owner.here().machine:
            return False
        number, _, began = self.process.partition(" ")
        if began:
            return _began(int(number)) != began
        return not _answers(int(number))

    def __str__(self) -> str:
        who = f"{self.name}, process {self.process.partition(' ')[0]}"
        return f"{who}, in {self.run}" if self.run else who


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a number without a name, as in containers
        return str(os.getuid())


def _run(environment: Mapping[str, str]) -> str:
    if "GITHUB_RUN_ID" in environment:
        root = f"{environment.get('GITHUB_SERVER_URL', '')}/{environment.get('GITHUB_REPOSITORY')}"
        return f"{root}/actions/runs/{environment['GITHUB_RUN_ID']}"
    return next((environment[name] for name in RUNS if environment.get(name)), "")


def _machine(host: str) -> str:
    marks = [host]
    with suppress(OSError):
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):  # two containers may have one name, and both a process 1
        marks.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(marks)


def _began(pid: int) -> str | None:
    """Return when a process began (proc(5), `starttime`); None if it has ended or cannot be seen.

    A killed process that nobody has waited for yet has ended, too.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
