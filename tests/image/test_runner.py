"""Containers behind emulated endpoints: found, started, read, ended, and never left behind."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tridock.emulators.fleet import Container, Fleet, UnhealthyError
from tridock.emulators.runners import LABEL, DockerRunner
from tridock.inference.image.engine import docker

#: It listens at 9000 whatever it is told, as most images do.
FOREIGN = """FROM python:3.11-slim-bookworm
RUN mkdir /site && echo fine > /site/ping
ENTRYPOINT ["python3", "-c", "from http.server import *; from functools import partial; \\
HTTPServer(('', 9000), partial(SimpleHTTPRequestHandler, directory='/site')).serve_forever()"]
"""
#: Starts a container as an emulator does, says its name, and waits to be killed.
OWNER = """
import sys, time
from pathlib import Path
from tridock.emulators.runners import DockerRunner
from tridock.emulators.fleet import Container
folder = Path(sys.argv[1])
print(DockerRunner(folder).start(Container(sys.argv[2], None, port=9000), folder).name, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Build an image that is not ours: no label, a port of its own, another server."""
    name = "tridock-test-foreign:1"
    command = ["docker", "build", "--tag", name, "-"]
    subprocess.run(command, input=FOREIGN, text=True, check=True, capture_output=True)
    yield name
    docker("rmi", "--force", name)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path / "servers", DockerRunner(tmp_path))
    yield made
    made.stop_all()


def left(folder: Path) -> list[str]:
    return docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}={folder}").split()


def test_an_image_that_is_not_ours_runs_at_its_own_port(
    fleet: Fleet, foreign: str, tmp_path: Path
) -> None:
    uri = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/team/{foreign}"
    server = fleet.start(Container(uri, None, port=9000), fleet.folder())
    fleet.wait(server, "/ping", timeout=60)
    assert len(left(tmp_path)) == 1
    fleet.stop(server, grace=1)
    assert server.exit_code() is not None
    assert left(tmp_path) == []


def test_a_container_that_ends_is_unhealthy_with_its_last_words(
    fleet: Fleet, tmp_path: Path
) -> None:
    server = fleet.start(Container("tridock:latest", None), fleet.folder())
    with pytest.raises(UnhealthyError, match=r"(?s)exited with code 1.*no bundle to serve"):
        fleet.wait(server, "/ping", timeout=60)
    assert left(tmp_path) == []


def test_an_image_that_is_not_here_is_told_with_what_to_do(fleet: Fleet) -> None:
    server = fleet.start(Container("registry.example/none:1", None), fleet.folder())
    with pytest.raises(UnhealthyError, match=r"(?s)no image registry.example/none:1.*make image"):
        fleet.wait(server, "/ping", timeout=60)


def test_when_its_emulator_is_killed_a_container_ends(foreign: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path), "tridock:latest"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        name = owner.stdout.readline().strip()
        assert name in docker("ps", "--all", "--format", "{{.Names}}")
        owner.kill()
    deadline = time.monotonic() + 30
    while left(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left(tmp_path) == []
