"""Unfinished batch jobs: killed at any moment, they go on to the same bytes, or say why not."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tridock.inference import score
from tridock.inference.__main__ import main
from tridock.inference.batch import journal
from tridock.inference.batch.chunk import Position
from tridock.inference.batch.files import File
from tridock.inference.batch.job import Job
from tridock.inference.batch.journal import Mark
from tridock.inference.batch.planning import BatchOptions, partial, plan
from tridock.inference.batch.reader import Reader
from tridock.inference.batch.scorer import Scorer, Threads
from tridock.inference.bundle.bundle import Bundle

from .conftest import IRIS_FIELDS

ROWS, CHUNK = 1000, 150
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same rows as CSV and as Parquet, every 97th of them bad."""
    folder = tmp_path_factory.mktemp("inputs")
    values = np.random.default_rng(0).uniform(0.1, 7.9, (ROWS, 4)).round(2)
    values[::97, 2] = np.nan
    table = pa.table(
        {"id": np.arange(ROWS)} | {name: values[:, i] for i, name in enumerate(IRIS_FIELDS)}
    )
    parquet.write_table(table, folder / "in.parquet", row_group_size=333)
    table.to_pandas().to_csv(folder / "in.csv", index=False)
    return folder


class Snapshots:
    """Copies what stands on the disk, each time it is told how far a job is."""

    def __init__(self, folder: Path, to: Path) -> None:
        self._folder = folder
        self._to = to
        self.taken: list[Path] = []

    def show(self, mark: Mark, share: float) -> None:
        self.taken.append(self._to / str(len(self.taken)))
        shutil.copytree(self._folder, self.taken[-1])


class Silence:
    def show(self, mark: Mark, share: float) -> None:
        pass


def _job(bundle: Bundle, given: Path, out: Path) -> tuple[Job, Scorer]:
    score.init(bundle.path)
    loaded = score.loaded()
    assert loaded
    assert loaded.model
    wish = BatchOptions((File.of(given),), File.of(out))
    made = plan(wish, loaded.model.signature, loaded.model.output)
    job = Job(
        made, Reader(made, CHUNK), bundle.digest, "any", out.with_suffix(".errors"), pause=0.0
    )
    return job, Scorer.of(made, loaded.model)


@pytest.mark.parametrize(
    ("read", "written"),
    [("in.csv", "out.csv"), ("in.csv", "out.jsonl.gz"), ("in.parquet", "out.parquet")],
)
def test_a_job_goes_on_to_the_same_bytes_from_wherever_it_was_killed(
    read: str, written: str, inputs: Path, iris_bundle: Bundle, tmp_path: Path
) -> None:
    out = tmp_path / written
    job, scorer = _job(iris_bundle, inputs / read, out)
    snapshots = Snapshots(partial(out), tmp_path / "snapshots")
    with Threads(scorer, 2) as threads:
        assert job.run(threads, snapshots).rows == ROWS - 11
        wanted = (out.read_bytes(), out.with_suffix(".errors").read_bytes())
        assert len(snapshots.taken) >= ROWS // CHUNK
        for taken in snapshots.taken:
            shutil.copytree(taken, partial(out))
            for name in (*journal.GROWING, journal.JOURNAL):
                # What a kill leaves behind the last safe byte: any part of what was written on.
                with (partial(out) / name).open("ab") as growing:
                    growing.write(b'{"position"')
            assert job.run(threads, Silence()).rows == ROWS - 11
            assert (out.read_bytes(), out.with_suffix(".errors").read_bytes()) == wanted
            assert not partial(out).exists()


def test_a_job_killed_between_its_last_renames_is_finished_by_the_next_run(
    inputs: Path, iris_bundle: Bundle, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    job, scorer = _job(iris_bundle, inputs / "in.csv", out)
    with Threads(scorer, 1) as threads:
        snapshots = Snapshots(partial(out), tmp_path / "snapshots")
        job.run(threads, snapshots)
        last, errors = snapshots.taken[-1], out.with_suffix(".errors").read_bytes()
        shutil.copytree(last, partial(out))
        (partial(out) / journal.OUTPUT).unlink()
        out.with_suffix(".errors").unlink()
        before = out.read_bytes()
        assert job.run(threads, Silence()).complete
    assert (out.read_bytes(), out.with_suffix(".errors").read_bytes()) == (before, errors)
    assert not partial(out).exists()


KILLED = """
    import os, signal, sys
    from tridock.inference.__main__ import main
    from tridock.inference.batch import bar, job

    job.COMMIT_BYTES = 0  # Every chunk is made safe at once.

    class Killer:
        shown = 0
        def show(self, mark, share):
            Killer.shown += 1
            if Killer.shown == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        def __enter__(self):
            return self
        def __exit__(self, *error):
            pass

    bar.progress = Killer
    sys.exit(main(sys.argv[1:]))
"""


def test_the_command_goes_on_after_a_kill_of_its_process(
    inputs: Path, iris_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--bundle", str(iris_bundle.path), "--chunk", "150"]
    words += ["--errors", str(tmp_path / "bad.jsonl")]
    out, other = tmp_path / "out.parquet", tmp_path / "other.parquet"
    command = ["batch", str(inputs / "in.parquet"), str(out), *words]
    program = [sys.executable, "-c", textwrap.dedent(KILLED), *command]
    killed = subprocess.run(program, cwd=ROOT, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert partial(out).exists()
    assert not out.exists()
    assert main(command) == 0
    words[-1] = str(tmp_path / "other.jsonl")
    assert main(["batch", str(inputs / "in.parquet"), str(other), *words]) == 0
    assert out.read_bytes() == other.read_bytes()
    assert (tmp_path / "bad.jsonl").read_bytes() == (tmp_path / "other.jsonl").read_bytes()


@pytest.fixture
def unfinished(inputs: Path, iris_bundle: Bundle, tmp_path: Path) -> Callable[..., int]:
    """A job that stopped at its first bad row; runs the command on it again."""
    shutil.copy2(inputs / "in.csv", tmp_path / "in.csv")
    text = (tmp_path / "in.csv").read_text()
    (tmp_path / "in.csv").write_text(text.replace(",,", ",1.0,") + "1000,x,1,1,1\n")

    def run(*words: str) -> int:
        command = ["batch", str(tmp_path / "in.csv"), str(tmp_path / "out.csv"), "--chunk", "150"]
        return main([*command, "--bundle", str(iris_bundle.path), *words])

    assert run() == 1
    return run


def test_a_stopped_job_goes_on_once_it_knows_where_bad_rows_shall_go(
    unfinished: Callable[..., int], tmp_path: Path
) -> None:
    last = (tmp_path / "out.csv.partial" / journal.JOURNAL).read_text().splitlines()[-1]
    assert '"rows": 900' in last
    assert unfinished("--errors", str(tmp_path / "bad.jsonl")) == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == ROWS + 1


@pytest.mark.parametrize("change", ["input", "chunk", "columns"])
def test_another_job_is_not_mixed_into_an_unfinished_one(
    change: str,
    unfinished: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = {"input": [], "chunk": ["--chunk", "151"], "columns": ["--keep", "id"]}[change]
    if change == "input":
        os.utime(tmp_path / "in.csv", (1, 1))
    assert unfinished("--errors", str(tmp_path / "bad.jsonl"), *words) == 2
    told = capsys.readouterr().err
    assert f"differs in its {change}" in told
    assert "--restart" in told
    assert unfinished("--errors", str(tmp_path / "bad.jsonl"), *words, "--restart") == 0
    assert not (tmp_path / "out.csv.partial").exists()


def test_two_processes_do_not_write_the_same_output(
    unfinished: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "out.csv.partial" / journal.JOURNAL).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert unfinished() == 2
        assert unfinished("--restart") == 2
    assert "another process works on" in capsys.readouterr().err


def test_a_place_in_the_input_survives_the_journal() -> None:
    mark = Mark(Position(1, 2, 3), rows=4, refused=5)
    record = {**vars(mark), "position": mark.position.record()}
    assert Mark.from_record(record) == mark
