"""The wheel alone, in an empty environment and a folder whose own modules hide ours if they can."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sklearn.linear_model import LinearRegression

ROOT = Path(__file__).resolve().parents[2]
UV = ROOT / ".venv/bin/uv"
HOSTILE = ("inference.py", "emulators.py", "deploy/__init__.py", "azure/__init__.py")
TRAIN = """
import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
frame = load_iris(as_frame=True)
model = LogisticRegression(max_iter=500).fit(frame.data.to_numpy(), frame.target)
joblib.dump(model, "model.joblib")
frame.data.head(20).to_csv("sample.csv", index=False)
"""


class Project:
    """A user's folder, and an environment with the wheel installed."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder, self.python = folder, python

    def run(self, *words: str, code: int = 0) -> str:
        """Run the command `tridock` in the folder and return what it printed, errors behind."""
        return self._run([str(self.python.parent / "tridock"), *words], code)

    def script(self, *words: str) -> str:
        """Run Python in the folder."""
        return self._run([str(self.python), *words], 0)

    def _run(self, command: list[str], code: int) -> str:
        kept = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        done = subprocess.run(
            command, cwd=self.folder, env=kept, capture_output=True, text=True, check=False
        )
        printed = done.stdout + done.stderr
        assert done.returncode == code, f"{command} ended with {done.returncode}\n{printed}"
        assert "Traceback" not in printed
        return printed


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the sdist, as `uv build` does."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([str(UV), "build", "-q", "--out-dir", str(folder)], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


def _installed(wheel: Path, folder: Path, extras: str) -> Project:
    python = folder / "venv/bin/python"
    subprocess.run(
        [str(UV), "venv", "-q", "--python", sys.executable, str(folder / "venv")], check=True
    )
    # Of the lock, versions alone: a local wheel has no hash in it.
    lock = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line.rstrip(" \\") for line in lock if "==" in line and not line.startswith((" ", "#"))]
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(pins) + "\n")
    install = [str(UV), "pip", "install", "-q", "--python", str(python), "-c", str(constraints)]
    subprocess.run([*install, f"tridock{extras} @ {wheel.as_uri()}"], check=True)
    project = folder / "project"
    for name in HOSTILE:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("raise RuntimeError('a module of the user was imported')\n")
    return Project(project, python)


@pytest.fixture(scope="module")
def full(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    extras = "[sklearn,aws,gcp,azure,emulators]"
    project = _installed(wheel, tmp_path_factory.mktemp("full"), extras)
    (project.folder / "train.py").write_text(TRAIN)
    project.script("-P", "train.py")
    words = ("--model", "model.joblib", "--sample", "sample.csv", "--name", "mine")
    for version in ("1", "2"):
        project.run("package", *words, "--version", version, "--out", f"bundle-{version}")
    try:
        yield project
    finally:
        project.run("emulators", "down")


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = _installed(wheel, tmp_path_factory.mktemp("base"), "")
    (project.folder / "m.joblib").write_bytes(pickle.dumps(LinearRegression()))
    (project.folder / "s.csv").write_text("a,b\n1,2\n")
    return project


def test_the_wheel_has_the_package_and_its_data_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "tridock/__main__.py",
        "tridock/completion.py",
        "tridock/py.typed",
        "tridock/deploy/__main__.py",
        "tridock/deploy/cli/starter/release.toml",
        "tridock/inference/Dockerfile",
        "tridock/inference/requirements.txt",
        "tridock/inference/requirements-onnx.txt",
        "tridock/examples/spam/messages.tsv",
    } <= names
    assert {name.partition("/")[0] for name in names} == {"tridock", "tridock-0.1.0.dist-info"}
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


@pytest.mark.parametrize("target", ["local", "aws", "gcp", "azure"])
def test_a_model_is_released_and_rolled_back_from_a_folder_of_its_own(
    full: Project, target: str
) -> None:
    common = ("--target", target, "--endpoint", "mine", "--set", "gates.latency_p95=600000")
    for version in ("1", "2"):
        full.run("release", *common, "--bundle", f"bundle-{version}")
    ask = ("invoke", *common, "--data", '{"instances": [[5.1, 3.5, 1.4, 0.2]]}')
    assert "prediction" in full.run(*ask)
    full.run("rollback", *common)
    assert "prediction" in full.run(*ask)
    full.run("delete", *common)
    assert (full.folder / ".tridock").is_dir()
    site = full.python.parent.parent / "lib"
    assert not list(site.glob("*/site-packages/.tridock"))


def test_a_new_project_is_trained_and_released(full: Project) -> None:
    assert "wrote new/release.toml" in full.run("init", "new", "--name", "fresh")
    folder = full.folder / "new"
    full.script(
        "-P", "-c", f"import os, runpy; os.chdir({str(folder)!r}); runpy.run_path('train.py')"
    )
    words = ("--file", "new/release.toml", "--set", "gates.latency_p95=600000")
    full.run("release", *words)
    full.run("delete", *words)


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (("emulators", "up", "aws"), "tridock[aws,emulators]"),
        (("emulators", "env", "aws"), "tridock[aws,emulators]"),
        (
            ("package", "--model", "m.joblib", "--sample", "s.csv", "--name", "m"),
            "tridock[sklearn]",
        ),
        (("release", "--target", "aws", "--endpoint", "mine", "--bundle", "x"), "tridock["),
    ],
)
def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    base: Project, words: tuple[str, ...], extra: str
) -> None:
    assert f"pip install '{extra}" in base.run(*words, code=2)


def test_the_base_says_what_it_can_do(base: Project) -> None:
    assert "examples:" in base.run("--help")
    assert base.run("--version") == "tridock 0.1.0\n"
    for verb in ("serve", "release", "image", "emulators"):
        assert f"usage: tridock {verb}" in base.run(verb, "--help")


def test_help_imports_no_room_and_no_package_of_others(base: Project) -> None:
    program = (
        "import sys; before = set(sys.modules); import tridock.__main__ as m; m.main(['--help']);"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "rooms = [name for name in sys.modules if name.startswith('tridock.')];"
        "print('IMPORTED', sorted(new - set(sys.stdlib_module_names)), rooms)"
    )
    assert "IMPORTED ['tridock'] ['tridock.__main__']" in base.script("-P", "-c", program)
