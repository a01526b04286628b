"""Rows a second of `tridock batch` against the bare ONNX call on the same arrays."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.performance.errors import MeasuringError
from tests.performance.models import Model
from tests.performance.running import Running
from tests.performance.servers import ROOT

ROWS = 10_000_000
#: The bare call gets the rows in pieces of this many, as large as is good for it.
PIECE = 50_000
SECONDS = 600.0


@dataclass(frozen=True)
class Job:
    """One run of the command: start, read Parquet, predict, write Parquet.

    Attributes
    ----------
    peak_mb : float
        Largest sum of its processes' PSS that was seen.
    """

    title: str
    seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Batch:
    """Jobs, and the call they are measured against.

    Attributes
    ----------
    bare_s : float
        ONNX Runtime's session called with the arrays in memory, nothing read or written.
    killed_s, resumed_s : float
        A job killed after so many seconds, and what the same command took after that.
    differing : int
        Rows in which the resumed job's output differs from the whole one's.
    """

    rows: int = 0
    bare_s: float = 0.0
    jobs: tuple[Job, ...] = ()
    killed_s: float = 0.0
    resumed_s: float = 0.0
    differing: int = 0
    failed: str = ""

    def share(self, job: Job) -> float:
        """Rows a second as a share of the bare call's."""
        return self.bare_s / job.seconds


def measure(model: Model, folder: Path, rows: int = ROWS) -> Batch:
    """Generate rows, predict them bare and by the door, on all cores both; then kill a job."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        given = _generate(model, folder / f"rows-{rows}.parquet", rows)
        bare = _bare(model, given)
        lone, kept = folder / "predictions.parquet", folder / "kept.parquet"
        jobs = (
            _job("predictions alone", [*_command(model, given, lone), "--keep", ""], lone, rows),
            _job("predictions beside the rows", _command(model, given, kept), kept, rows),
        )
        return _killed(model, given, lone, Batch(rows, bare, jobs))
    except (MeasuringError, OSError, subprocess.SubprocessError) as error:
        return Batch(failed=" ".join(str(error).split()))


def read(found: dict[str, Any]) -> Batch:
    """Make a record of what was kept."""
    return Batch(**found | {"jobs": tuple(Job(**each) for each in found["jobs"])})


def _generate(model: Model, to: Path, rows: int) -> Path:
    """Write rows drawn around the model's own, by pieces, so that no memory is needed for all."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    dice = np.random.default_rng(11)
    known = np.array(model.rows)
    names = _names(model)
    schema = pa.schema([(name, pa.float64()) for name in names])
    with parquet.ParquetWriter(to, schema) as writer:
        for start in range(0, rows, 500_000):
            count = min(500_000, rows - start)
            drawn = known[dice.integers(0, len(known), count)]
            drawn = np.round(drawn + dice.normal(0, 0.2, drawn.shape), 2)
            columns = [pa.array(column) for column in drawn.T]
            writer.write_table(pa.Table.from_arrays(columns, names=names))
    return to


def _names(model: Model) -> list[str]:
    from tridock.inference.bundle.bundle import Bundle

    signature = Bundle.read(model.bundle).manifest.signature
    assert signature is not None
    return list(signature.names)


def _bare(model: Model, given: Path) -> float:
    """Call the session with the same rows, and return the seconds of the calls alone."""
    import numpy as np
    import onnxruntime
    from pyarrow import parquet

    file = model.bundle / "model.onnx"
    if not file.exists():
        raise MeasuringError("the model is not compiled: there is no bare ONNX call")
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    name, taken = session.get_inputs()[0].name, 0.0
    kind = np.float64 if "double" in session.get_inputs()[0].type else np.float32
    for batch in parquet.ParquetFile(given).iter_batches(PIECE):
        columns = [column.to_numpy() for column in batch.columns]
        array = np.ascontiguousarray(np.column_stack(columns), dtype=kind)
        began = time.perf_counter()
        session.run(None, {name: array})
        taken += time.perf_counter() - began
    return taken


def _command(model: Model, given: Path, out: Path) -> list[str]:
    command = [
        sys.executable,
        "-m",
        "tridock.inference",
        "batch",
        str(given),
        str(out),
        "--overwrite",
    ]
    return [*command, "--bundle", str(model.bundle)]


def _job(title: str, command: list[str], out: Path, rows: int) -> Job:
    """Run a job to its end."""
    running = _started(command, out)
    peak = _Peak(running)
    try:
        code = running.process.wait(SECONDS)
        taken = time.perf_counter() - running.began
    finally:
        peak.stop()
        running.stop()
    if code:
        raise MeasuringError(f"the job ended with {code}: {running.tail()}")
    from pyarrow import parquet

    if (written := parquet.ParquetFile(out).metadata.num_rows) != rows:
        raise MeasuringError(f"{rows} rows went in and {written} came out")
    return Job(title, taken, peak.megabytes)


def _killed(model: Model, given: Path, whole: Path, found: Batch) -> Batch:
    """Kill a job in its middle, run it again, and compare with the one that nobody killed."""
    from pyarrow import parquet

    out = whole.with_name("resumed.parquet")
    out.unlink(missing_ok=True)
    command = [word for word in _command(model, given, out) if word != "--overwrite"]
    command += ["--keep", ""]
    running, after = _started(command, out), found.jobs[0].seconds / 2
    time.sleep(after)
    running.stop(grace=0)
    again = _job("", command, out, found.rows)
    one, other = parquet.read_table(whole), parquet.read_table(out)
    differing = _differing(one, other)
    return replace(found, killed_s=after, resumed_s=again.seconds, differing=differing)


def _differing(one: Any, other: Any) -> int:
    import pyarrow.compute as pc

    if one.equals(other):
        return 0
    pairs = zip(one.columns, other.columns, strict=True)
    return max(pc.sum(pc.not_equal(a, b)).as_py() or 0 for a, b in pairs) or one.num_rows


def _started(command: list[str], out: Path) -> Running:
    variables = {"PYTHONPATH": str(ROOT)}
    return Running.start(command, out.parent, variables=variables, log=out.with_suffix(".log"))


class _Peak(threading.Thread):
    """Weighs a group ten times a second and keeps the most."""

    def __init__(self, running: Running) -> None:
        super().__init__(daemon=True)
        self._running = running
        self._over = threading.Event()
        self.megabytes = 0.0
        self.start()

    def run(self) -> None:
        while not self._over.wait(0.1):
            self.megabytes = max(self.megabytes, self._running.memory().pss)

    def stop(self) -> None:
        self._over.set()
        self.join()
