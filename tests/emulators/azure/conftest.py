"""One emulated Azure for all tests of this folder, and clients that do not know it is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.azure.rest import Rest
from tridock.emulators import daemon
from tridock.emulators.azure.core.credentials import Credentials
from tridock.emulators.azure.core.signature import Signatures
from tridock.emulators.place import Place

SCRIPTS = Path(__file__).parent / "scripts"
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")

Facts = dict[str, Any]
RunScript = Callable[..., Facts]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Yield an emulator that is up, its clock ten times faster than usual."""
    place = Place("azure", tmp_path_factory.mktemp("state"), speed=600.0)
    up(place)
    yield place
    daemon.down(place)


def up(place: Place) -> None:
    """Start an emulator by its own door."""
    command = [sys.executable, "-m", "tridock.emulators", "up", "azure"]
    command += ["--state", str(place.state), "--speed", str(place.speed)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def environment(place: Place) -> Mapping[str, str]:
    return daemon.environment(place)


@pytest.fixture(scope="session")
def signatures(place: Place, environment: Mapping[str, str]) -> Signatures:
    """Return what signs for the emulated account, by the key of its state folder."""
    return Signatures(Credentials.at(place).account_key)


@pytest.fixture(scope="session")
def rest(environment: Mapping[str, str]) -> Iterator[Rest]:
    rest = Rest.open(environment)
    yield rest
    rest.client.close()


@pytest.fixture(scope="session")
def run_script(environment: Mapping[str, str]) -> RunScript:
    """Run an ordinary user's script as its own process and return the facts it prints."""

    def run(name: str, *arguments: object, python: str = sys.executable, **more: str) -> Facts:
        kept = {each: os.environ[each] for each in KEPT if each in os.environ}
        command = [python, "-W", "ignore", str(SCRIPTS / name), *map(str, arguments)]
        done = subprocess.run(
            command,
            env={**kept, **environment, **more},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        facts: Facts = json.loads(done.stdout.splitlines()[-1])
        return facts

    return run


@pytest.fixture(scope="session")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundle of a small model, as Azure ML's clients upload it."""
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    from tridock.inference.packaging.package import About, package

    rows, kinds = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=500).fit(rows, kinds)
    to = tmp_path_factory.mktemp("iris") / "bundle"
    return package(model, rows, to, about=About("iris", "1")).path
