"""The batch command on a Ray cluster of this machine: the same rows as without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import ray
from pyarrow import dataset, parquet
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from tridock.inference.packaging.package import About, package

ROOT = Path(__file__).resolve().parents[2]
FIELDS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
FILES, ROWS = 3, 400


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = load_iris()
    model = LogisticRegression(max_iter=1000).fit(data.data, data.target_names[data.target])
    to = tmp_path_factory.mktemp("iris") / "bundle"
    return package(model, data.data, to, about=About("iris", features=FIELDS)).path


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Two processors of this machine as a cluster that the commands find by its address."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
    yield
    del os.environ["RAY_ADDRESS"]
    ray.shutdown()


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A folder of files, in each of which one row lacks a value."""
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(FILES):
        values = np.random.default_rng(index).uniform(0.1, 7.9, (ROWS, 4))
        values[index, 0] = np.nan
        columns = {name: values[:, i] for i, name in enumerate(FIELDS)}
        table = pa.table({"id": [f"{index}-{row}" for row in range(ROWS)]} | columns)
        parquet.write_table(table, folder / f"{index}.parquet")
    return folder


def _run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tridock.inference", "batch", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_ray_writes_the_rows_that_this_process_alone_writes(
    inputs: Path, bundle: Path, tmp_path: Path
) -> None:
    words = [inputs, "--bundle", bundle, "--chunk", 150, "--probabilities", "--json"]
    alone, spread = tmp_path / "alone.parquet", tmp_path / "spread.parquet"
    first = _run(words[0], alone, *words[1:], "--errors", tmp_path / "alone.jsonl")
    assert first.returncode == 0, first.stderr
    second = _run(
        words[0], spread, *words[1:], "--errors", tmp_path / "spread.jsonl", "--engine", "ray"
    )
    assert second.returncode == 0, second.stderr
    told = json.loads(second.stdout.splitlines()[-1])
    assert (told["rows"], told["refused"]) == (FILES * (ROWS - 1), FILES)
    assert sorted(path.name for path in spread.iterdir()) == [
        f"part-{index:05}.parquet" for index in range(FILES)
    ]
    assert dataset.dataset(spread).to_table().equals(dataset.dataset(alone).to_table())
    assert (tmp_path / "spread.jsonl").read_text() == (tmp_path / "alone.jsonl").read_text()


def test_a_bad_row_stops_the_job_with_its_place_and_what_is_done_is_kept(
    inputs: Path, bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    words = (inputs, out, "--bundle", bundle, "--engine", "ray", "--workers", 1)
    stopped = _run(*words)
    assert stopped.returncode == 1
    assert "null came, and the model cannot take a missing value here" in stopped.stderr
    assert not out.exists()
    assert Path(f"{out}.partial").is_dir()
    finished = _run(*words, "--errors", tmp_path / "bad.jsonl")
    assert finished.returncode == 0, finished.stderr
    lines = [each.read_text().splitlines()[1:] for each in sorted(out.iterdir())]
    assert [len(part) for part in lines] == [ROWS - 1] * FILES
    assert not Path(f"{out}.partial").exists()
