"""Model servers behind emulated endpoints: real ones, from a script bundle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tridock.emulators.fleet import Container, Fleet, ProcessRunner, Server, UnhealthyError
from tridock.inference.packaging.package import About, package_script

SCRIPT = "def init():\n    pass\n\n\ndef run(data):\n    return 1\n"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "left-over").mkdir()
    made = Fleet(folder, ProcessRunner())
    yield made
    made.stop_all()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("script")
    (folder / "score.py").write_text(SCRIPT)
    about = About(name="one", script=folder / "score.py")
    return package_script(folder / "bundle", about=about).path


@pytest.fixture(scope="module")
def server(fleet: Fleet, bundle: Path) -> Server:
    return fleet.start(Container("any/image:1", bundle), fleet.folder())


def test_nothing_is_left_over_from_before(fleet: Fleet) -> None:
    folder = fleet.folder()
    assert "left-over" not in {each.name for each in folder.parent.iterdir()}
    assert fleet.folder() != folder


def test_a_server_is_waited_for_until_its_route_answers(fleet: Fleet, server: Server) -> None:
    fleet.wait(server, "/ping", timeout=600)
    assert server.is_ready("/ping")
    assert server in fleet.servers()
    assert "listening" in server.tail()


def test_a_route_that_never_answers_is_named_unhealthy(fleet: Fleet, server: Server) -> None:
    with pytest.raises(UnhealthyError, match=r"no answer in 0\.2 s"):
        fleet.wait(server, "/no-such-route", timeout=0.2)


def test_a_server_that_ends_is_unhealthy_with_its_last_words(fleet: Fleet, tmp_path: Path) -> None:
    ended = fleet.start(Container("any/image:1", tmp_path / "nothing"), fleet.folder())
    with pytest.raises(UnhealthyError, match=r"exited with code [1-9]") as told:
        fleet.wait(ended, "/ping", timeout=600)
    assert str(tmp_path / "nothing") in str(told.value)
    fleet.stop(ended)
    assert ended not in fleet.servers()


def test_all_are_ended_together_and_twice_is_once(fleet: Fleet, server: Server) -> None:
    fleet.stop_all()
    assert fleet.servers() == ()
    assert server.exit_code() is not None
    fleet.stop(server)
    fleet.stop_all()
