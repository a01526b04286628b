"""Owner of a change: the caller as the target knows it, and the process that does it."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tridock.inference.plaintext import line

#: Where CI systems say which run this is: GitHub Actions, GitLab CI, Azure Pipelines, Jenkins,
#: AWS CodeBuild, Google Cloud Build; "Predefined variables" of each.
RUNS = ("CI_JOB_URL", "BUILD_URL", "CODEBUILD_BUILD_ID", "BUILD_BUILDURI", "BUILD_ID")
#: Variables in which shells and CI systems name the user. The starter of a process may set them.
USERS = ("LOGNAME", "USER", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_REQUESTEDFOREMAIL")
#: Longest identity and longest claim that are recorded.
CALLER, CLAIMED = 100, 70


@dataclass(frozen=True)
class Owner:
    """One process, as others are to read of it.

    Attributes
    ----------
    caller : str
        Who it is, as the target says (`Target.caller`); on no target, the user as the operating
        system says.
    claimed : str
        What the environment says: user names and the CI run. It is recorded, and never verified:
        the starter of a process chooses its environment.
    machine : str
        Where its process number means something: one boot of one host or container.
    process : str
        Its number and when it began, so that a number used again is another process.
    """

    caller: str
    claimed: str
    machine: str
    process: str

    @classmethod
    def here(cls, caller: str = "", environment: Mapping[str, str] = os.environ) -> Owner:
        """Return this process, of which a target says that `caller` runs it."""
        host = socket.gethostname()
        pid = os.getpid()
        process = f"{pid} {_began(pid) or ''}".strip()
        return cls(caller or user(), claims(environment), _machine(host), process)

    @classmethod
    def read(cls, content: Any) -> Owner:
        """Return an owner from JSON values; notes of before hold a name and a run, both claims.

        Raises
        ------
        ValueError
            If they are none.
        """
        if not isinstance(content, dict) or not all(
            isinstance(each, str) for each in content.values()
        ):
            raise ValueError("an owner is an object of texts")
        if "caller" not in content:
            claimed = " in ".join(filter(None, (content.pop("name", ""), content.pop("run", ""))))
            content = {**content, "caller": "unknown", "claimed": claimed}
        if set(content) != {field.name for field in fields(cls)}:
            raise ValueError(f"an owner has other keys than {', '.join(content)}")
        return cls(**content)

    def who(self) -> str:
        """Return the caller, and what is claimed beside."""
        return (
            f"{self.caller} (claimed, not verified: {self.claimed})"
            if self.claimed
            else self.caller
        )

    def has_ended(self) -> bool:
        """Tell whether it was a process of this machine, and is no more.

        Of another machine's process this one cannot.
        """
        if self.machine != Owner.here().machine:
            return False
        number, _, began = self.process.partition(" ")
        if not number.isdecimal():
            return False
        if began:
            return _began(int(number)) != began
        return not _answers(int(number))

    def __str__(self) -> str:
        return f"{self.who()}, process {self.process.partition(' ')[0]}"


def user() -> str:
    """Return the user of this process by the operating system, not by the environment."""
    number = os.getuid()
    with suppress(KeyError):  # a number without a name, as in containers
        return f"{pwd.getpwuid(number).pw_name} (uid {number})"
    return f"uid {number}"


def claims(environment: Mapping[str, str]) -> str:
    """Return what the environment says of user and CI run, on one line."""
    users = dict.fromkeys(environment[name] for name in USERS if environment.get(name))
    said = [f"user {' or '.join(users)}"] if users else []
    said += [f"run {run}"] if (run := _run(environment)) else []
    return line(", ".join(said))[:CLAIMED]


def _run(environment: Mapping[str, str]) -> str:
    if "GITHUB_RUN_ID" in environment:
        parts = (environment.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY"))
        return "/".join([*filter(None, parts), "actions/runs", environment["GITHUB_RUN_ID"]])
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

    A killed process that its parent has not waited for yet has ended, too.
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
