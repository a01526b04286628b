"""The rules that keep web pages and strangers away from an emulator, and its fixed address."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from tridock.emulators.access import is_authorized, refusal, secret
from tridock.emulators.errors import StartError
from tridock.emulators.place import Place, Ports


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "127.0.0.1:4587"},
        {"host": "localhost:4587"},
        {"host": "[::1]:4587"},
        {"host": "us-central1-aiplatform.googleapis.com"},
        {"host": "127.0.0.1:4587", "origin": "http://127.0.0.1:4587"},
        {"host": "127.0.0.1:4587", "sec-fetch-site": "none"},
    ],
)
def test_a_client_of_the_emulator_is_accepted(headers: dict[str, str]) -> None:
    assert refusal(headers, ["*.googleapis.com"]) is None


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "Host"),
        ({"host": "rebound.example:4587"}, "rebound.example"),
        ({"host": "127.0.0.1.rebound.example"}, "Host"),
        ({"host": "evilgoogleapis.com"}, "Host"),
        ({"host": "127.0.0.1:4587", "origin": "https://page.example"}, "page.example"),
        ({"host": "127.0.0.1:4587", "origin": "null"}, "null"),
        ({"host": "127.0.0.1:4587", "origin": "http://127.0.0.1:8000"}, "8000"),
        ({"host": "127.0.0.1:4587", "sec-fetch-site": "cross-site"}, "cross-site"),
        ({"host": "127.0.0.1:4587", "sec-fetch-site": "same-site"}, "same-site"),
    ],
)
def test_a_web_page_and_a_foreign_name_are_refused(headers: dict[str, str], reason: str) -> None:
    assert reason in (refusal(headers, ["*.googleapis.com"]) or "")


def test_the_secret_is_made_once_and_read_by_its_owner_only(tmp_path: Path) -> None:
    token = secret(tmp_path)
    assert secret(tmp_path) == token
    assert len(token) >= 32
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert is_authorized({"authorization": f"Bearer {token}"}, token)
    for given in ("", "Bearer", f"Basic {token}", "Bearer testing", token, "Bearer ä"):
        assert not is_authorized({"authorization": given}, token)


def test_a_state_folder_admits_its_owner_only(tmp_path: Path) -> None:
    place = Place("aws", tmp_path / "state")
    place.make()
    assert stat.S_IMODE(place.state.stat().st_mode) == 0o700
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700


def _listen(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))


def test_a_remembered_port_is_used_again_or_refused(tmp_path: Path) -> None:
    with _listen(0) as foreign:
        taken = foreign.getsockname()[1]
        first = Ports.at(tmp_path / "ports", [taken])
        with first.bind(0, _listen) as own:
            number = own.getsockname()[1]
            assert number != taken
            first.remember([number])
        again = Ports.at(tmp_path / "ports", [taken])
        with again.bind(0, _listen) as own:
            assert own.getsockname()[1] == number
            with pytest.raises(StartError, match=f"listens on 127.0.0.1:{number}"):
                again.bind(0, _listen)
