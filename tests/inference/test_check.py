"""The contract judge, before servers that keep the contracts and servers that do not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tridock.inference.__main__ import main
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.check import CLOUDS, judge
from tridock.inference.check.door import table
from tridock.inference.check.finding import Finding, State
from tridock.inference.process.model_server import ModelServer, wait_ready


@pytest.fixture(scope="module")
def model_server(
    iris_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ModelServer]:
    server = ModelServer.start(iris_bundle.path, tmp_path_factory.mktemp("check") / "log")
    assert wait_ready(server), server.tail()
    yield server
    server.stop()


class Naive(BaseHTTPRequestHandler):
    """What a first attempt at a container often does."""

    def do_GET(self) -> None:
        known = {
            "/": "fine",
            "/health": "fine",
            "/execution-parameters": '{"BatchStrategy": "ALL"}',
        }
        self._send(200 if self.path in known else 404, known.get(self.path, "?" * 5000))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            json.loads(body)
        except ValueError:
            self._send(500, "Traceback (most recent call last)")
        else:
            self._send(200, '{"predictions": ["one"]}')

    def _send(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("x-padding", "x" * 5000)
        self.send_header("x-ms-client-request-id", "another")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def naive_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Naive) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def naive_findings(naive_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finding]:
    example = tmp_path_factory.mktemp("example") / "request.json"
    example.write_text('{"instances": [[1, 2], [3, 4]]}')
    return {finding.rule: finding for finding in judge(naive_url, CLOUDS, example)}


def test_our_server_keeps_every_rule_of_every_cloud(model_server: ModelServer) -> None:
    findings = judge(model_server.url)
    assert [each for each in findings if each.state is not State.KEPT] == []
    assert {each.rule.split("-")[0] for each in findings} == set(CLOUDS)


def test_our_server_keeps_them_with_a_body_of_the_users(
    model_server: ModelServer, tmp_path: Path
) -> None:
    example = tmp_path / "request.csv"
    example.write_text("5.1,3.5,1.4,0.2\n")
    assert not any(each.falls_short for each in judge(model_server.url, ["aws"], example))


@pytest.mark.parametrize(
    ("rule", "came"),
    [
        ("aws-ping", "404 in "),
        ("aws-ping-body", "5000 bytes"),
        ("aws-framing", "transfer-encoding None"),
        ("aws-headers", " bytes"),
        ("aws-bad-input", "500 in "),
        ("aws-batch", '{"BatchStrategy": "ALL"}'),
        ("aws-busy", "404 in "),
        ("gcp-length", "1 for 2 instances"),
        ("gcp-json", "text/plain"),
        ("gcp-bad-input", "500 in "),
        ("azure-client-id", "200, sent back as 'another'"),
        ("azure-bad-input", "500 in "),
    ],
)
def test_a_naive_server_is_told_what_it_breaks(
    naive_findings: dict[str, Finding], rule: str, came: str
) -> None:
    finding = naive_findings[rule]
    assert finding.state is State.BROKEN
    assert came in finding.came


@pytest.mark.parametrize("rule", ["aws-csv", "azure-swagger"])
def test_what_is_optional_may_be_absent(naive_findings: dict[str, Finding], rule: str) -> None:
    assert naive_findings[rule].state is State.ABSENT
    assert not naive_findings[rule].falls_short


@pytest.mark.parametrize(
    "rule", ["aws-json", "gcp-health", "gcp-predict", "azure-live", "azure-score"]
)
def test_what_a_naive_server_keeps_is_said_too(
    naive_findings: dict[str, Finding], rule: str
) -> None:
    assert naive_findings[rule].state is State.KEPT


def test_what_cannot_be_judged_counts_as_falling_short(naive_url: str) -> None:
    score = next(each for each in judge(naive_url, ["azure"]) if each.rule == "azure-score")
    assert (score.state, score.falls_short) == (State.UNJUDGED, True)
    assert score.came.endswith("give one with --example FILE")


def test_the_vertex_routes_are_those_of_the_environment(
    model_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/nowhere")
    [health] = [each for each in judge(model_server.url, ["gcp"]) if each.rule == "gcp-health"]
    assert (health.state, health.came[:3]) == (State.BROKEN, "404")


def test_the_table_is_aligned_and_summed_up(naive_findings: dict[str, Finding]) -> None:
    head, *rows, empty, summary = table(list(naive_findings.values())).splitlines()
    place = head.index("demands")
    assert all(row[place - 2 : place] == "  " and row[place] != " " for row in rows)
    assert (empty, summary) == ("", "26 rules: 12 kept, 12 broken, 2 absent")


def test_the_door_says_by_its_exit_code_whether_the_contract_is_kept(
    model_server: ModelServer, naive_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", model_server.url, "--cloud", "gcp", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] is True
    assert main(["check", naive_url, "--cloud", "gcp"]) == 1


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ("http://127.0.0.1:9", "no server answers at"),  # discard: nothing listens there
        ("ftp://127.0.0.1", "is not an address: give http://HOST:PORT"),
        ("tridock:latest", "with --bundle DIR"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(
    server: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", server]) == 2
    assert message in capsys.readouterr().err
