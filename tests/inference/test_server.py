"""The server as a process: its port, its load, its end."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.message import Message
from pathlib import Path

import pytest

from tests.inference.asking import IRIS_ROW
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.packaging.package import About, package_script
from tridock.inference.process.model_server import ModelServer, free_port, wait_ready
from tridock.inference.settings import SettingError, Settings, port

SLOW_SCRIPT = """
import time

def init():
    pass

def run(data):
    time.sleep(float(data))
    return "slept"
"""


@pytest.fixture(scope="module")
def slow_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A script that sleeps for as many seconds as the body says."""
    folder = tmp_path_factory.mktemp("slow")
    (folder / "score.py").write_text(SLOW_SCRIPT)
    return package_script(folder / "bundle", about=About("slow", script=folder / "score.py"))


@pytest.fixture(scope="module")
def model_server(
    iris_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ModelServer]:
    with started(iris_bundle, tmp_path_factory.mktemp("server")) as server:
        yield server


@contextmanager
def started(bundle: Bundle, folder: Path, **environment: str) -> Iterator[ModelServer]:
    server = ModelServer.start(bundle.path, folder / "log", environment=environment)
    try:
        assert wait_ready(server, timeout=600), server.tail()
        yield server
    finally:
        server.stop(grace=10)


def ask(port: int, method: str, path: str, body: str = "") -> tuple[int, Message, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=600)) as connection:
        connection.request(method, path, body, {"content-type": "application/json"})
        with connection.getresponse() as response:
            return response.status, response.headers, response.read()


class Caller(threading.Thread):
    """Sends requests, `most` at the most, until the server takes no more connections.

    A request counts as accepted once its connection is established and it is written: whatever
    happens to it then is the server's doing.
    """

    def __init__(self, port: int, body: str, *, keep: bool = False, most: int = 1 << 30) -> None:
        super().__init__()
        self.port, self.body, self.keep, self.most = port, body, keep, most
        self.accepted = 0
        self.statuses: list[int] = []
        self.lost: list[str] = []
        self.start()

    def run(self) -> None:
        while self.accepted < self.most and self._connected():
            pass

    def _connected(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        try:
            connection.connect()
        except OSError:
            return False
        while self._answered(connection) and self.keep:
            pass
        connection.close()
        return not self.lost

    def _answered(self, connection: http.client.HTTPConnection) -> bool:
        """Send one request on an open connection; tell whether it may carry another."""
        self.accepted += 1
        try:
            connection.request("POST", "/score", self.body, {"content-type": "application/json"})
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            self.lost.append(repr(error))
            return False
        self.statuses.append(response.status)
        return not response.will_close


@pytest.mark.parametrize("workers", ["1", "2"], ids=["one process", "two workers"])
@pytest.mark.parametrize("keep", [False, True], ids=["new connections", "kept connections"])
def test_sigterm_under_load_loses_nothing_that_was_accepted(
    iris_bundle: Bundle, tmp_path: Path, keep: bool, workers: str
) -> None:
    told = {"TRIDOCK_DRAIN_SECONDS": "1", "TRIDOCK_WORKERS": workers}
    with started(iris_bundle, tmp_path, **told) as server:
        body = json.dumps({"features": IRIS_ROW})
        callers = [Caller(server.port, body, keep=keep) for _ in range(8)]
        while sum(len(caller.statuses) for caller in callers) <= 50:
            assert not any(caller.lost for caller in callers)
            time.sleep(0.05)
        server.process.send_signal(signal.SIGTERM)
        for caller in callers:
            caller.join(300)
        assert server.process.wait(300) == 0
    accepted = sum(caller.accepted for caller in callers)
    answered = sum(len(caller.statuses) for caller in callers)
    assert [caller.lost for caller in callers if caller.lost] == []
    assert accepted == answered > 50
    assert {status for caller in callers for status in caller.statuses} == {200}


def workers_of(server: ModelServer) -> set[int]:
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return set(map(int, children.read_text().split()))


def test_a_worker_that_dies_is_started_again_and_its_counts_are_kept(
    iris_bundle: Bundle, tmp_path: Path
) -> None:
    body = json.dumps({"features": IRIS_ROW})
    with started(iris_bundle, tmp_path, TRIDOCK_WORKERS="2") as server:
        first = workers_of(server)
        callers = [Caller(server.port, body, most=25) for _ in range(4)]
        for caller in callers:
            caller.join(300)
        counted = 'tridock_requests_total{route="/score",status="200"} 100.0'
        while counted not in ask(server.port, "GET", "/metrics")[2].decode():
            time.sleep(0.05)
        os.kill(min(first), signal.SIGKILL)
        while len(workers_of(server)) < 2 or min(first) in workers_of(server):
            time.sleep(0.05)
        assert b"ended by signal 9: started again" in server.log.read_bytes()
        assert counted in ask(server.port, "GET", "/metrics")[2].decode()
        assert [caller.statuses for caller in callers] == [[200] * 25] * 4
        server.process.kill()  # nobody is told, and nobody stays
        deadline = time.monotonic() + 300
        while any(map(is_running, first)) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert not any(map(is_running, first))


def test_predictions_that_run_at_sigterm_are_answered(slow_bundle: Bundle, tmp_path: Path) -> None:
    with started(slow_bundle, tmp_path, TRIDOCK_WORKERS="4") as server:
        callers = [Caller(server.port, "5", most=1) for _ in range(4)]
        while f"{len(callers)}.0" not in metric(server, "tridock_requests_in_flight"):
            time.sleep(0.05)
        server.process.send_signal(signal.SIGTERM)
        while server.is_ready():
            time.sleep(0.01)
        for caller in callers:
            caller.join(300)
        assert [caller.statuses for caller in callers] == [[200]] * 4
        assert server.process.wait(300) == 0


def metric(server: ModelServer, name: str) -> str:
    """Return a metric's value, itself not counted among the requests in flight."""
    lines = ask(server.port, "GET", "/metrics")[2].decode().splitlines()
    value = next(line for line in lines if line.startswith(name + " ")).split()[1]
    return str(float(value) - 1)


@pytest.mark.parametrize("declared", [True, False], ids=["with a length", "chunked"])
def test_ten_megabytes_are_refused_and_the_connection_stays_good(
    model_server: ModelServer, declared: bool
) -> None:
    body = b"[" + b"1," * 5_000_000 + b"1]"
    sent = body if declared else (body[at : at + 65536] for at in range(0, len(body), 65536))
    address = ("127.0.0.1", model_server.port)
    with closing(http.client.HTTPConnection(*address, timeout=600)) as connection:
        connection.request("POST", "/predict", sent, encode_chunked=not declared)
        refused = connection.getresponse()
        assert (refused.status, json.loads(refused.read())["code"]) == (413, "too_large")
        connection.request("GET", "/ping")
        assert connection.getresponse().status == 200


def test_what_is_not_http_is_refused_in_json(model_server: ModelServer) -> None:
    with socket.create_connection(("127.0.0.1", model_server.port), timeout=600) as connection:
        connection.sendall(b"\x16\x03\x01 no http\r\n\r\n")
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["code"] == "not_http"


def posted(row: list[float], *headers: str) -> bytes:
    body = json.dumps({"features": row}).encode()
    head = ["POST /predict HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def test_requests_in_a_row_and_in_pieces_are_answered_in_their_order(
    model_server: ModelServer,
) -> None:
    first, second = posted(IRIS_ROW, "x-request-id: 1"), posted([7, 3, 6, 2], "x-request-id: 2")
    whole = first + second + b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n" + posted([1, 2])
    last = posted(IRIS_ROW, "x-request-id: 3", "connection: close")
    with socket.create_connection(("127.0.0.1", model_server.port), timeout=600) as connection:
        connection.sendall(whole)
        for piece in (last[:7], last[7:-9], last[-9:]):
            time.sleep(0.05)
            connection.sendall(piece)
        told = connection.makefile("rb").read()
    assert re.findall(rb"HTTP/1.1 (\d+)", told) == [b"200", b"200", b"200", b"400", b"200"]
    assert re.findall(rb"x-request-id: (\d)\r", told) == [b"1", b"2", b"3"]
    assert [told.count(b'"setosa"'), told.count(b'"virginica"')] == [2, 1]


def test_a_caller_who_leaves_in_the_middle_does_no_harm(model_server: ModelServer) -> None:
    with socket.create_connection(("127.0.0.1", model_server.port)) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n[[1,")
    assert ask(model_server.port, "GET", "/ping")[0] == 200
    while b'"status":499' not in model_server.log.read_bytes():
        time.sleep(0.05)
    assert b"Traceback" not in model_server.log.read_bytes()


def test_health_answers_while_every_worker_is_busy(slow_bundle: Bundle, tmp_path: Path) -> None:
    with started(slow_bundle, tmp_path, TRIDOCK_WORKERS="1") as server:
        caller = Caller(server.port, "3600", most=1)
        while "1.0" not in metric(server, "tridock_requests_in_flight"):
            time.sleep(0.05)
        assert server.is_ready(timeout=300)
        assert caller.statuses == []
        server.process.kill()
        caller.join(300)


def test_overload_is_refused_early_with_when_to_come_back(
    slow_bundle: Bundle, tmp_path: Path
) -> None:
    limits = {"TRIDOCK_WORKERS": "1", "TRIDOCK_QUEUE": "1"}
    with started(slow_bundle, tmp_path, **limits) as server:
        busy = [Caller(server.port, "5", keep=False, most=1) for _ in range(2)]
        while "2.0" not in metric(server, "tridock_requests_in_flight"):
            time.sleep(0.05)
        status, headers, body = ask(server.port, "POST", "/score", "0")
        for each in busy:
            each.join()
        assert (status, json.loads(body)["code"]) == (429, "overloaded")
        assert int(headers["retry-after"]) >= 1
        assert ask(server.port, "POST", "/score", "0")[0] == 200


SLOW_START = """
import time

def init():
    time.sleep(60)

def run(data):
    return data
"""


def test_while_the_model_loads_the_server_says_so_and_can_be_ended(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text(SLOW_START)
    about = About("slow", script=tmp_path / "score.py")
    bundle = package_script(tmp_path / "bundle", about=about)
    server = ModelServer.start(bundle.path, tmp_path / "log")
    assert wait_ready(server, route="/healthz"), server.tail()
    status, headers, body = ask(server.port, "GET", "/ping")
    assert (status, headers["retry-after"]) == (503, "1")
    assert json.loads(body)["error"] == "the model is not loaded yet: try again in a moment"
    server.stop(grace=20)
    assert server.exit_code() == 0


def test_the_server_ends_when_its_parent_is_killed(iris_bundle: Bundle, tmp_path: Path) -> None:
    parent = (
        "import sys, time; from pathlib import Path; "
        "from tridock.inference.process.model_server import ModelServer;"
        f"server = ModelServer.start(Path({str(iris_bundle.path)!r}), Path(sys.argv[1]));"
        "print(server.process.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", parent, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        process.kill()
    deadline = time.monotonic() + 300
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(child)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tridock.inference", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_a_bundle_that_cannot_be_served_ends_the_process_with_the_reason(
    copied: Path,
) -> None:
    with (copied / "model.joblib").open("r+b") as file:
        file.write(b"\x00")
    ended = run("serve", "--bundle", str(copied), "--port", str(free_port()))
    assert ended.returncode == 1
    assert "model.joblib" in ended.stderr
    assert "changed after packaging" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("words", "environment", "message"),
    [
        (["--port", "abc"], {}, "--port is 'abc': give a port number from 1 to 65535"),
        (["--port", "0"], {}, "--port is '0': give"),
        ([], {"AIP_HTTP_PORT": "99999"}, "AIP_HTTP_PORT is '99999': give"),
        ([], {"TRIDOCK_WORKERS": "0"}, "TRIDOCK_WORKERS is '0': give a whole number from 1"),
        ([], {"TRIDOCK_DRAIN_SECONDS": "soon"}, "TRIDOCK_DRAIN_SECONDS is 'soon': give seconds"),
        ([], {"AIP_PREDICT_ROUTE": "p"}, "AIP_PREDICT_ROUTE is 'p': give a path that begins with"),
    ],
)
def test_a_setting_that_cannot_be_used_is_a_usage_error(
    words: list[str], environment: dict[str, str], message: str
) -> None:
    ended = run("serve", *words, **environment)
    assert (ended.returncode, message in ended.stderr) == (2, True), ended.stderr


def test_a_port_in_use_is_told(iris_bundle: Bundle, model_server: ModelServer) -> None:
    words = ["--bundle", str(iris_bundle.path), "--host", "127.0.0.1"]
    ended = run("serve", *words, "--port", str(model_server.port))
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{model_server.port}: Address already in use" in ended.stderr


@pytest.mark.parametrize(
    ("option", "environment", "expected"),
    [
        ("1", {"SAGEMAKER_BIND_TO_PORT": "2", "AIP_HTTP_PORT": "3", "PORT": "4"}, 1),
        (None, {"SAGEMAKER_BIND_TO_PORT": "2", "AIP_HTTP_PORT": "3", "PORT": "4"}, 2),
        (None, {"AIP_HTTP_PORT": "3", "PORT": "4"}, 3),
        (None, {"PORT": "4"}, 4),
        (None, {"PORT": ""}, 8080),
    ],
)
def test_the_port_is_the_options_then_the_platforms(
    option: str | None, environment: dict[str, str], expected: int
) -> None:
    assert port(option, environment) == expected


def test_sagemakers_own_variables_are_respected() -> None:
    settings = Settings.read(
        {"SAGEMAKER_MODEL_SERVER_WORKERS": "3", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "20"}
    )
    assert (settings.workers, settings.body_bytes) == (3, 20 << 20)
    assert Settings.read({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"}).body_bytes == 100 << 20
    with pytest.raises(SettingError, match="SAGEMAKER_MAX_PAYLOAD_IN_MB is '101'"):
        Settings.read({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "101"})
