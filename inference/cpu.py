"""Number of processor cores of this process: by affinity and the container's quota."""

from __future__ import annotations

import os
from pathlib import Path

#: Where control groups are mounted (Linux «cgroups», version 2 and version 1).
ROOT = Path("/sys/fs/cgroup")

_processes = 1


def share(processes: int) -> None:
    """Declare that this process will be forked into `count`, each with one thread.

    Threads that a library starts before a fork do not exist after it, and it would wait for them
    for ever.
    """
    global _processes
    _processes = processes


def available(root: Path = ROOT) -> float:
    """Return the cores this process may use, above 0; 0.5 is half of one's time.

    Parameters
    ----------
    root : Path
        Where the control groups are mounted.
    """
    limits = (_affinity(), _quota(root), _old_quota(root))
    return min(limit for limit in limits if limit is not None)


def whole(root: Path = ROOT) -> int:
    """Return `available` as a number of threads or processes: rounded up, at least 1.

    It is 1 where `share` has said that there will be several processes.
    """
    return max(1, -int(-available(root) // 1)) if _processes == 1 else 1


def _affinity() -> float:
    if hasattr(os, "sched_getaffinity"):
        return float(len(os.sched_getaffinity(0)))
    return float(os.cpu_count() or 1)


def _quota(root: Path) -> float | None:
    """Read the quota of version 2: microseconds in a period, or "max" (Linux «cgroup-v2»)."""
    words = _words(root / "cpu.max")
    return _cores(words[0], words[1]) if len(words) == 2 else None


def _old_quota(root: Path) -> float | None:
    """Read the quota of version 1 (Linux «CFS Bandwidth Control»)."""
    quota = _words(root / "cpu" / "cpu.cfs_quota_us")
    period = _words(root / "cpu" / "cpu.cfs_period_us")
    return _cores(quota[0], period[0]) if quota and period else None


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


def _cores(quota: str, period: str) -> float | None:
    try:
        cores = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max": no quota
        return None
    return cores if cores > 0 else None
