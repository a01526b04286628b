"""The oldest and the newest azure-ai-ml judge the emulated Azure with examples/clients/azure_ml.py.

The snippet is led by the environment alone, as its users would be.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tridock.inference import score

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = {
    "oldest": str(ROOT / ".venvs" / "azureml126" / "bin" / "python"),
    "newest": sys.executable,
}
WORKSPACE = ("88888888-8888-8888-8888-888888888888", "my-group", "my-workspace")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("bundle") / "iris"
    command = [sys.executable, "-m", "tridock.examples.iris.train", "--to", str(to)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return to


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    state = str(tmp_path_factory.mktemp("cloud"))
    door = [sys.executable, "-m", "tridock.emulators"]
    exports = subprocess.run(
        [*door, "env", "azure", "--state", state, "--speed", "600"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    yield dict(
        shlex.split(line)[1].split("=", 1)
        for line in exports.splitlines()
        if line.startswith("export ")
    )
    subprocess.run([*door, "down", "azure", "--state", state], cwd=ROOT, check=True)


@pytest.mark.parametrize("age", PYTHONS)
def test_the_snippet_deploys_shifts_asks_and_deletes(
    age: str, cloud: Mapping[str, str], bundle: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [PYTHONS[age], str(ROOT / "examples/clients/azure_ml.py"), str(bundle), *WORKSPACE],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **cloud},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    score.init(bundle)
    answer = json.dumps({"prediction": score.run([[5.1, 3.5, 1.4, 0.2]])[0]}, separators=(",", ":"))
    told = [line for line in done.stdout.splitlines() if line.startswith("{'")]
    assert told == [
        f"{{'blue': 100}} {answer}",
        f"{{'blue': 50, 'green': 50}} {answer}",
        f"{{'green': 100}} {answer}",
    ]
    assert "endpoints left: []" in done.stdout
