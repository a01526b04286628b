"""A batch job's process: a user's ``init()`` once, ``run(mini_batch)`` for each few files.

Source: "Author scoring scripts for batch deployments" and "CLI (v2) batch deployment YAML schema".
"""

from __future__ import annotations

import importlib.util
import json
import signal
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from tridock.inference.process.parent_watch import watch_stdin


@dataclass(frozen=True)
class Job:
    """What one job does.

    Attributes
    ----------
    script, data : str
        Paths of the scoring script and of the input file or folder.
    output : str
        File for the rows; empty to write none.
    size : int
        Files in a mini batch.
    threshold : int
        Files that may fail; -1 for any number.
    retries : int
        How often a mini batch is tried again.
    timeout : float
        Seconds that a mini batch may take.
    """

    script: str
    data: str
    output: str
    size: int
    threshold: int
    retries: int
    timeout: float


def main(text: str) -> int:
    """Run the job that `text` describes in JSON; 0 done, 1 failed."""
    job = Job(**json.loads(text))
    module = _load(Path(job.script))
    module.init()
    rows: list[str] = []
    failed = 0
    for files in _batches(job):
        found = _run(module, files, job)
        failed += 0 if found is not None else len(files)
        rows += found or ()
        if 0 <= job.threshold < failed:
            _say(f"{failed} files failed, more than the error threshold of {job.threshold}")
            return 1
    if job.output:
        Path(job.output).write_text("".join(f"{row}\n" for row in rows))
    _say(f"done: {len(rows)} rows, {failed} files failed")
    return 0


def _load(script: Path) -> ModuleType:
    sys.path.insert(0, str(script.parent))
    spec = importlib.util.spec_from_file_location(script.stem, script)
    if spec is None or spec.loader is None:
        raise ImportError(f"{script} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _batches(job: Job) -> Iterable[list[str]]:
    data = Path(job.data)
    found = sorted(data.rglob("*")) if data.is_dir() else [data]
    files = [str(path) for path in found if path.is_file()]
    return (files[start : start + job.size] for start in range(0, len(files), job.size))


def _run(module: ModuleType, files: list[str], job: Job) -> list[str] | None:
    """Return the rows of one mini batch, or None if every try failed."""
    for _ in range(job.retries + 1):
        signal.signal(signal.SIGALRM, _late)
        signal.setitimer(signal.ITIMER_REAL, job.timeout)
        try:
            return _rows(module.run(files))
        except Exception:  # a user's code: whatever it raises fails its mini batch only
            traceback.print_exc(file=sys.stdout)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return None


def _rows(found: Any) -> list[str]:
    if hasattr(found, "to_csv"):
        text: str = found.to_csv(header=False, index=False)
        return text.splitlines()
    return [str(row) for row in found]


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _late(number: int, frame: FrameType | None) -> None:
    raise TimeoutError("the mini batch took longer than its timeout")


if __name__ == "__main__":
    watch_stdin()
    sys.exit(main(sys.argv[1]))
