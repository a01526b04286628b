"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Machine:
    """A machine in words that name neither it nor its owner.

    Attributes
    ----------
    busy : float
        Load average over a minute before the run: above 0.5 the machine was not quiet.
    """

    processor: str
    cores: int
    memory_gb: int
    kernel: str
    python: str
    wrk: str
    commit: str
    began: str
    busy: float

    @classmethod
    def seen(cls) -> Machine:
        """Look at this one."""
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return cls(
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)),
            memory_gb=round(pages / 1e9),
            kernel=f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
            python=platform.python_version(),
            wrk=_first_line(["wrk", "-v"]).split(" Copyright")[0],
            commit=_first_line(["git", "describe", "--always", "--dirty", "--exclude=*"]),
            began=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
            busy=os.getloadavg()[0],
        )

    @classmethod
    def read(cls, found: dict[str, Any]) -> Machine:
        """Make a record of what was kept."""
        return cls(**found)

    def sentence(self) -> str:
        """Tell it."""
        return (
            f"{self.processor}, {self.cores} cores, {self.memory_gb} GB, {self.kernel}, Python "
            f"{self.python}, {self.wrk}; commit {self.commit}, begun {self.began} UTC with a load "
            f"average of {self.busy:.1f}."
        )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name") and (name := line.partition(":")[2].strip()):
            return name
    return platform.machine()


def _first_line(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        return f"no {command[0]}"
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).split("\n")[0].strip()
