"""A new project: its files are written, and what they say works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests import warm
from tests.deploy.commandline import ROOT, UNHURRIED
from tridock.deploy.cli import arguments
from tridock.deploy.cli.init import main

COMMAND = re.compile(r"^tridock (.+?)(?:\s+#.*)?$")


def test_the_files_train_a_model_and_release_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--name", "mine"]) == 0
    assert "wrote" in capsys.readouterr().out
    variables = {**os.environ, **UNHURRIED, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "train.py"]
    trained = subprocess.run(
        command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True
    )
    assert "accuracy" in trained.stdout
    for verb in ("release", "delete"):
        words = [verb, "--state", ".tridock"]
        ended = warm.run("tridock.deploy", words, folder=tmp_path, environment=variables)
        assert ended.code == 0, ended.err
    assert {path.name for path in tmp_path.iterdir()} == {
        ".github", ".gitignore", ".tridock", "build", "release.toml", "train.py"
    }  # fmt: skip


def test_the_commands_of_the_workflow_are_those_of_the_command_line(tmp_path: Path) -> None:
    assert main([str(tmp_path), "--name", "mine"]) == 0
    workflow = yaml.safe_load((tmp_path / ".github/workflows/model.yml").read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = [found[1] for step in steps if (found := COMMAND.match(step.get("run", "")))]
    assert [arguments.parse(words.split()).command for words in commands] == [
        "release", "plan", "models", "release"
    ]  # fmt: skip
    assert workflow["permissions"] == {"contents": "read"}
    trusted = {name for name, job in workflow["jobs"].items() if "permissions" in job}
    assert trusted == {"plan", "release"}  # no code of a pull request runs with a cloud's token


def test_no_file_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".gitignore").write_text("*.pyc\nbuild/")
    (tmp_path / "train.py").write_text("mine")
    assert main([str(tmp_path), "--name", "mine"]) == 2
    assert "train.py exists" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == [".gitignore", "train.py"]
    (tmp_path / "train.py").unlink()
    assert main([str(tmp_path), "--name", "mine"]) == 0
    assert (tmp_path / ".gitignore").read_text() == "*.pyc\nbuild/\n.tridock/\n"


def test_a_name_that_no_endpoint_may_have_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--name", "my model"]) == 2
    assert "--name 'my model'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
