"""The vendors' own clients judge the emulated SageMaker with the snippets of examples/clients.

They all run at once, each in its own environment: the SDKs look for a new state every 30 seconds.
"""

from __future__ import annotations

import ast
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from tridock.inference import score

ROOT = Path(__file__).resolve().parents[2]
SNIPPETS = {
    "aws_cli.sh": "awscli",
    "sagemaker_v3.py": "sagemaker3",
    "sagemaker_v3_core.py": "sagemaker3",
    "sagemaker_v2.py": "sagemaker2",
}
ROW = [5.1, 3.5, 1.4, 0.2]
#: Seconds for one snippet: a deploy takes the SDK 2 two looks, thirty seconds apart.
PATIENCE = 300


@dataclass(frozen=True)
class Judge:
    """One snippet, running in its client's environment."""

    process: subprocess.Popen[str]
    output: Path

    @classmethod
    def start(cls, snippet: str, folder: Path, variables: Mapping[str, str]) -> Judge:
        programs = ROOT / ".venvs" / SNIPPETS[snippet] / "bin"
        interpreter = "sh" if snippet.endswith(".sh") else str(programs / "python")
        output = folder / f"{snippet}.txt"
        with output.open("w") as printed:
            process = subprocess.Popen(
                [interpreter, str(ROOT / "examples" / "clients" / snippet)],
                cwd=folder,
                env={"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder), **variables},
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                text=True,
            )
        return cls(process, output)

    def lines(self) -> list[str]:
        """Wait for the end of the snippet and return what it printed."""
        code = self.process.wait(PATIENCE)
        printed = self.output.read_text()
        assert code == 0, printed
        return printed.splitlines()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("bundle") / "iris"
    _door("tridock.examples.iris.train", "--to", str(to))
    return to


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[Mapping[str, str]]:
    state = str(tmp_path_factory.mktemp("cloud"))
    exports = _door("tridock.emulators", "env", "aws", "--state", state)
    words = [shlex.split(line)[1] for line in exports.splitlines() if line.startswith("export ")]
    variables = dict(word.split("=", 1) for word in words)
    _door("tridock.examples.clients.account", str(bundle), **variables)
    yield variables
    _door("tridock.emulators", "down", "aws", "--state", state)


@pytest.fixture(scope="session")
def judges(
    tmp_path_factory: pytest.TempPathFactory, cloud: Mapping[str, str]
) -> Iterator[Mapping[str, Judge]]:
    folder = tmp_path_factory.mktemp("judges")
    started = {snippet: Judge.start(snippet, folder, cloud) for snippet in SNIPPETS}
    yield started
    for judge in started.values():
        judge.process.kill()
        judge.process.wait()


@pytest.fixture(scope="session")
def own(bundle: Path) -> object:
    """What the model itself says, without any cloud."""
    score.init(bundle)
    return score.run([ROW])[0]


def test_sagemaker_core_creates_asks_and_deletes(judges: Mapping[str, Judge], own: object) -> None:
    assert json.loads(_answer(judges["sagemaker_v3_core.py"])) == {"prediction": own}


def test_the_aws_command_line_creates_asks_and_deletes(
    judges: Mapping[str, Judge], own: object
) -> None:
    lines = judges["aws_cli.sh"].lines()
    assert "InService" in lines
    assert json.loads(_prediction(lines)) == {"prediction": own}


def test_sagemaker_3_model_builder_builds_deploys_and_asks(
    judges: Mapping[str, Judge], own: object
) -> None:
    assert json.loads(_answer(judges["sagemaker_v3.py"])) == {"prediction": own}


def test_sagemaker_2_model_deploys_and_its_predictor_predicts(
    judges: Mapping[str, Judge], own: object
) -> None:
    printed = judges["sagemaker_v2.py"].lines()
    assert ast.literal_eval(next(line for line in printed if line.startswith("["))) == [own]


def test_the_clients_leave_nothing_in_the_account(
    judges: Mapping[str, Judge], cloud: Mapping[str, str]
) -> None:
    for judge in judges.values():
        judge.lines()
    sagemaker = boto3.client(
        "sagemaker",
        endpoint_url=cloud["AWS_ENDPOINT_URL"],
        region_name=cloud["AWS_DEFAULT_REGION"],
        aws_access_key_id=cloud["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=cloud["AWS_SECRET_ACCESS_KEY"],
    )
    deadline = time.monotonic() + PATIENCE
    while sagemaker.list_endpoints()["Endpoints"] and time.monotonic() < deadline:
        time.sleep(0.2)
    assert sagemaker.list_endpoints()["Endpoints"] == []
    assert sagemaker.list_models()["Models"] == []


def _answer(judge: Judge) -> str:
    return _prediction(judge.lines())


def _prediction(lines: list[str]) -> str:
    return next(line for line in lines if line.startswith('{"prediction"'))


def _door(module: str, *words: str, **variables: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
