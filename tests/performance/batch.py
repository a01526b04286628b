"""Rows a second of `python -m inference batch` against the bare ONNX call on the same arrays."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.performance import environment
from tests.performance.errors import MeasuringError
from tests.performance.models import Model
from tests.performance.running import Running
from tests.performance.servers import ROOT

ROWS = 10_000_000
#: The bare call gets the rows in pieces of this many, as large as is good for it.
PIECE = 50_000
SECONDS = 600.0


@dataclass(frozen=True)
class Batch:
    """One job, and the call it is measured against.

    Attributes
    ----------
    bare_s : float
        ONNX Runtime's session called with the arrays in memory, nothing read or written.
    job_s : float
        The whole command: start, read Parquet, predict, write Parquet.
    peak_mb : float
        Largest sum of its processes' PSS that was seen.
    """

    rows: int = 0
    bare_s: float = 0.0
    job_s: float = 0.0
    peak_mb: float = 0.0
    failed: str = ""

    @property
    def share(self) -> float:
        """Rows a second as a share of the bare call's."""
        return self.bare_s / self.job_s


def measure(model: Model, folder: Path, rows: int = ROWS) -> Batch:
    """Generate rows, predict them bare and by the door, on all cores both."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (ROOT / "inference" / "batch" / "__main__.py").exists() and not _has_door():
        return Batch(failed="python -m inference has no command batch")
    try:
        given = _generate(model, folder / f"rows-{rows}.parquet", rows)
        bare = _bare(model, given)
        return _job(model, given, folder / "predictions.parquet", bare)
    except (MeasuringError, OSError, subprocess.SubprocessError) as error:
        return Batch(failed=" ".join(str(error).split()))


def read(found: dict[str, Any]) -> Batch:
    """Make a record of what was kept."""
    return Batch(**found)


def _has_door() -> bool:
    usage = subprocess.run(
        [sys.executable, "-m", "inference", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return " batch " in usage.stdout


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
    from inference.bundle import Bundle

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


def _job(model: Model, given: Path, out: Path, bare: float) -> Batch:
    from pyarrow import parquet

    out.unlink(missing_ok=True)
    python = str(environment.programs("tridock-joblib") / "python")
    command = [python, "-m", "inference", "batch", str(given), str(out)]
    command += ["--bundle", str(model.bundle)]
    log = given.with_name("batch.log")
    variables = {"PYTHONPATH": str(ROOT)}
    running = Running.start(command, given.parent, variables=variables, log=log)
    peak = _Peak(running)
    try:
        code = running.process.wait(SECONDS)
        taken = time.perf_counter() - running.began
    finally:
        peak.stop()
        running.stop()
    if code:
        raise MeasuringError(f"the job ended with {code}: {running.tail()}")
    rows = parquet.ParquetFile(given).metadata.num_rows
    if (written := parquet.ParquetFile(out).metadata.num_rows) != rows:
        raise MeasuringError(f"{rows} rows went in and {written} came out")
    return Batch(rows, bare, taken, peak.megabytes)


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
