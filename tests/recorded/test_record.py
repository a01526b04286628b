"""Two files of answers differ exactly where an answer does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.recorded.__main__ import main
from tests.recorded.commandwords import COMMANDS
from tests.recorded.exchange import get, send, shot
from tests.recorded.fixed import fixed
from tests.recorded.record import Record, differences, read, write
from tests.recorded.servers import servers


class Echo(BaseHTTPRequestHandler):
    """Answers with the path, and refuses to take a body."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(200)

    def do_POST(self) -> None:
        self.close_connection = True
        self.answer(400)

    def answer(self, status: int) -> None:
        body = f"at {self.path}".encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-request-id", "0123456789abcdef")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    record = Record("one", {"status": "HTTP/1.1 200 OK", "body": "zürich \x00 \u2028\nend"})
    assert write([record], tmp_path / "file") == 1
    assert read(tmp_path / "file") == {"one": record}


def test_two_records_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'one'"):
        write([Record("one", {}), Record("one", {})], tmp_path / "file")


def test_each_part_that_differs_is_shown_around_its_first_difference() -> None:
    before = {"a": Record("a", {"body": "x" * 500 + "old", "status": "200"})}
    after = {"a": Record("a", {"body": "x" * 500 + "new", "status": "200"})}
    (line,) = differences(before, after)
    assert line.startswith("a: body\n")
    assert "old" in line
    assert "new" in line
    assert len(line) < 300


def test_answers_that_only_one_file_has_are_shown() -> None:
    one, two = {"a": Record("a", {})}, {"b": Record("b", {})}
    assert list(differences(one, two)) == [
        "a: only in the first file",
        "b: only in the second file",
    ]


def test_the_comparison_says_whether_files_are_equal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, code in (("a", "0"), ("b", "0"), ("c", "1")):
        write([Record("one", {"code": code})], tmp_path / name)
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "c")]) == 1
    assert "one: code" in capsys.readouterr().out


def test_an_answer_is_recorded_without_what_changes(port: int) -> None:
    (record,) = send(port, get("/a"), server="echo", places={})
    assert record.name == "echo GET /a"
    assert record.parts["status"] == "HTTP/1.1 200 OK"
    assert record.parts["body"] == "at /a"
    assert "Date: DATE" in record.parts["headers"]
    assert "x-request-id: ID" in record.parts["headers"]


def test_an_answer_is_read_though_the_request_was_refused_before_its_end(port: int) -> None:
    (record,) = send(port, shot("POST", "/b", b"x" * 10), server="echo", places={})
    assert record.parts["status"] == "HTTP/1.1 400 Bad Request"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("made 2026-01-02T03:04:05.678+00:00", "made TIME"),
        ("at http://127.0.0.1:28123/x", "at http://127.0.0.1:PORT/x"),
        ("   12.34 s  open target", "N s  open target"),
        ('{"ms":1.234,"rows":2}', '{"ms":0,"rows":2}'),
        ("kept: 3 rows, version 1.2.3, v1-f5667c94", "kept: 3 rows, version 1.2.3, v1-f5667c94"),
        ("/tmp/recorded-x/a", "FOLDER/a"),
    ],
)
def test_only_what_differs_between_runs_is_replaced(text: str, wanted: str) -> None:
    assert fixed(text, {"/tmp/recorded-x": "FOLDER"}) == wanted


def test_names_are_unique_and_more_than_two_hundred_requests_are_sent() -> None:
    names = [f"{server.name} {shot.name}" for server in servers() for shot in server.shots]
    assert len(names) == len(set(names)) > 200
    commands = [name for name, _ in COMMANDS]
    assert len(commands) == len(set(commands)) > 100
