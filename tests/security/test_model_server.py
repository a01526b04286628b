"""The model server under requests that do not end, are too long or too many, over real sockets."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from tridock.inference.bundle.bundle import Bundle
from tridock.inference.check import stage
from tridock.inference.packaging.package import About, package
from tridock.inference.process.model_server import ModelServer, wait_ready

ROW = b'{"features": [5.1, 3.5, 1.4, 0.2]}'
POST = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
RIGHT = POST + b"content-length: %d\r\n\r\n%b" % (len(ROW), ROW)
#: Much longer than any limit of these servers: a test that waits so long has failed.
PATIENCE = 60.0


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    data = load_iris()
    model = LogisticRegression(max_iter=1000).fit(data.data, data.target_names[data.target])
    return package(model, data.data, tmp_path_factory.mktemp("iris") / "b", about=About("iris"))


@contextmanager
def started(bundle: Bundle, log: Path, **environment: str) -> Iterator[ModelServer]:
    server = ModelServer.start(bundle.path, log, environment=environment)
    try:
        assert wait_ready(server), server.tail()
        yield server
        assert "Traceback" not in log.read_text()
        assert server.exit_code() is None
    finally:
        server.stop(grace=10)


@pytest.fixture(scope="module")
def server(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """A server with the limits it has by default."""
    with started(bundle, tmp_path_factory.mktemp("server") / "log") as server:
        yield server


@pytest.fixture(scope="module")
def hasty(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """A server that waits for a head and for a body for half a second."""
    seconds = {"TRIDOCK_HEAD_SECONDS": "0.5", "TRIDOCK_BODY_SECONDS": "0.5"}
    with started(bundle, tmp_path_factory.mktemp("hasty") / "log", **seconds) as server:
        yield server


def connected(server: ModelServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


def to_the_end(connection: socket.socket) -> bytes:
    """Return all that comes until the server closes the connection."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def ask(server: ModelServer, *parts: bytes) -> bytes:
    """Send what the server takes of some bytes, and return all that it answers."""
    with connected(server) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return to_the_end(connection)


def parted(answer: bytes) -> tuple[int, dict[str, str]]:
    """Return the status and the JSON of an answer that is alone on its connection."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    told: dict[str, str] = json.loads(body)
    return int(head.split()[1]), told


def right(server: ModelServer) -> bool:
    with connected(server) as connection:
        connection.sendall(RIGHT.replace(b"host: x", b"host: x\r\nconnection: close"))
        return to_the_end(connection).endswith(b'{"prediction":"setosa"}')


HALVES = {
    "nothing": b"",
    "a line": b"POST /predict HTTP/1.1\r\n",
    "half a name": b"POST /predict HTTP/1.1\r\nhost: x\r\nx-lo",
    "no end": POST,
    "no body": POST + b"content-length: 34\r\n\r\n",
    "half a body": POST + b"content-length: 34\r\n\r\n" + ROW[:9],
    "half a chunk": POST + b"transfer-encoding: chunked\r\n\r\n9\r\n" + ROW[:4],
    "no last chunk": POST + b"transfer-encoding: chunked\r\n\r\n9\r\n" + ROW[:9] + b"\r\n",
    "a body to a route without one": POST.replace(b"/predict", b"/ping")
    + b"content-length: 34\r\n\r\n",
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_a_request_that_is_half_sent_is_answered_408_and_closed(
    hasty: ModelServer, half: bytes
) -> None:
    answer = ask(hasty, half)
    if not half:
        assert answer == b""
    elif b"/ping" in half:
        assert answer.startswith(b"HTTP/1.1 405")
    else:
        status, told = parted(answer)
        assert (status, told["code"]) == (408, "timed_out")
    assert right(hasty)


def test_refusals_are_counted_and_logged_without_what_was_sent(
    bundle: Bundle, tmp_path: Path
) -> None:
    with started(bundle, tmp_path / "log") as server:
        assert ask(server, b"GET /ping?secret" + b"x" * 66_000)[9:12] == b"414"
        assert ask(server, b"secret\r\n\r\n")[9:12] == b"400"
        metrics = ask(server, b"GET /metrics HTTP/1.1\r\nconnection: close\r\n\r\n").decode()
    log = (tmp_path / "log").read_text()
    for code in ("url_too_long", "not_http"):
        assert f'tridock_errors_total{{kind="{code}"}} 1.0' in metrics
        assert f'"error":"{code}"' in log
    assert "secret" not in log


def test_the_bucket_that_is_lent_to_an_image_waits_for_no_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage._Objects, "timeout", 0.2)
    with stage.served(tmp_path) as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            connection.sendall(b"GET /half HTTP/1.1\r\n")
            assert to_the_end(connection) == b""


def test_six_hundred_half_sent_requests_all_end(hasty: ModelServer) -> None:
    halves = [half for half in HALVES.values() if half and b"/ping" not in half]
    with ExitStack() as stack:
        connections = [stack.enter_context(connected(hasty)) for _ in range(600)]
        for index, connection in enumerate(connections):
            connection.sendall(halves[index % len(halves)])
        assert right(hasty)
        statuses = [to_the_end(connection)[9:12] for connection in connections]
    assert set(statuses) == {b"408"}
    assert right(hasty)


@pytest.mark.parametrize(
    ("head", "code"),
    [(b"", b"408"), (POST + b"content-length: 4000\r\n\r\n", b"408")],
    ids=["head", "body"],
)
def test_who_sends_a_byte_now_and_then_is_cut_off(
    hasty: ModelServer, head: bytes, code: bytes
) -> None:
    with connected(hasty) as connection:
        connection.sendall(head)
        connection.settimeout(0.05)
        end, answer = time.monotonic() + PATIENCE, b""
        while not answer and time.monotonic() < end:
            try:
                connection.sendall(b"x" if head else b"G")
                answer = connection.recv(1024)
            except TimeoutError:
                continue
        assert answer[9:12] == (code if head else b"400")


def test_headers_that_trickle_are_cut_off(hasty: ModelServer) -> None:
    with connected(hasty) as connection:
        connection.sendall(b"GET /ping HTTP/1.1\r\n")
        connection.settimeout(0.05)
        end, answer = time.monotonic() + PATIENCE, b""
        while not answer and time.monotonic() < end:
            try:
                connection.sendall(b"x-a: b\r\n")
                answer = connection.recv(1024)
            except TimeoutError:
                continue
        assert answer[9:12] == b"408"


def test_a_body_that_comes_steadily_is_read_however_long_it_takes(hasty: ModelServer) -> None:
    body = ROW + b" " * 400_000
    with connected(hasty) as connection:
        connection.sendall(POST + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), 40_000):
            connection.sendall(body[start : start + 40_000])
            time.sleep(0.15)
        assert to_the_end(connection).endswith(b'{"prediction":"setosa"}')


TOO_LONG = {
    "url": (b"GET /ping?" + b"x" * 66_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 414, "url_too_long"),
    "endless url": (b"GET /" + b"x" * 900_000, 414, "url_too_long"),
    "header": (b"GET /ping HTTP/1.1\r\nx: " + b"x" * 66_000 + b"\r\n\r\n", 431,
               "headers_too_large"),
    "headers": (b"GET /ping HTTP/1.1\r\n" + b"x: y\r\n" * 20_000 + b"\r\n", 431,
                "headers_too_large"),
    "endless header": (b"GET /ping HTTP/1.1\r\nx: " + b"x" * 900_000, 431, "headers_too_large"),
    "trailers": (POST + b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"x: y\r\n" * 90_000, 431,
                 "headers_too_large"),
    "extension": (POST + b"transfer-encoding: chunked\r\n\r\n1;x=" + b"x" * 900_000, 431,
                  "headers_too_large"),
    "said": (POST + b"content-length: 629145600\r\n\r\n" + b" " * 900_000, 413, "too_large"),
    "chunked": (POST + b"transfer-encoding: chunked\r\n\r\n" + b"100000\r\n" + b" " * (1 << 20)
                + (b"\r\n100000\r\n" + b" " * (1 << 20)) * 9, 413, "too_large"),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "status", "code"), TOO_LONG.values(), ids=TOO_LONG)
def test_what_is_too_long_is_refused_by_its_name(
    server: ModelServer, sent: bytes, status: int, code: str
) -> None:
    found, told = parted(ask(server, sent))
    assert (found, told["code"]) == (status, code)
    assert right(server)


def test_headers_and_urls_up_to_the_limits_are_read(server: ModelServer) -> None:
    url = b"/ping?" + b"x" * 65_000
    request = b"GET %b HTTP/1.1\r\nx: %b\r\nconnection: close\r\n\r\n" % (url, b"y" * 65_000)
    assert ask(server, request).startswith(b"HTTP/1.1 200")


def resident(server: ModelServer) -> int:
    """Return how many bytes of memory a server holds."""
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * 4096


def test_an_endless_body_takes_no_memory(server: ModelServer) -> None:
    before, chunk = resident(server), b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    with connected(server) as connection:
        connection.sendall(POST + b"transfer-encoding: chunked\r\n\r\n")
        try:
            for _ in range(600):
                connection.sendall(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            pytest.fail("600 MB were taken")
    assert resident(server) - before < 100 << 20
    assert right(server)


def test_a_zip_bomb_takes_no_memory(server: ModelServer) -> None:
    before = resident(server)
    bomb = gzip.compress(b" " * (200 << 20))
    head = POST + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)
    assert parted(ask(server, head, bomb))[1]["code"] == "too_large"
    assert resident(server) - before < 100 << 20


NOT_HTTP = {
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "http 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two lengths": POST + b"content-length: 34\r\ncontent-length: 35\r\n\r\n" + ROW,
    "length and chunks": POST + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": POST + b"content-length: -1\r\n\r\n",
    "a huge length": POST + b"content-length: 99999999999999999999999\r\n\r\n",
    "a wrong chunk": POST + b"transfer-encoding: chunked\r\n\r\nxyz\r\n",
    "a url that is not ascii": "GET /pïng HTTP/1.1\r\nhost: x\r\n\r\n".encode(),
    "no path": b"GET http://x HTTP/1.1\r\nhost: x\r\n\r\n",
    "a host alone": b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n",
    "a line feed in a name": b"GET /ping HTTP/1.1\r\nx\ny: z\r\n\r\n",
}


@pytest.mark.parametrize("sent", NOT_HTTP.values(), ids=NOT_HTTP)
def test_what_is_no_http_is_answered_400_without_a_traceback(
    server: ModelServer, sent: bytes
) -> None:
    status, told = parted(ask(server, sent))
    assert (status, told["code"]) == (400, "not_http")
    assert "Traceback" not in server.log.read_text()


def test_a_length_that_is_too_small_smuggles_no_request(server: ModelServer) -> None:
    smuggled = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"
    request = POST + b"content-length: 3\r\n\r\n" + ROW + smuggled
    answer = ask(server, request)
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b"tridock_requests_total" not in answer


def test_connections_beyond_the_limit_hear_why_and_idle_ones_give_way(
    bundle: Bundle, tmp_path: Path
) -> None:
    with (
        started(bundle, tmp_path / "log", TRIDOCK_CONNECTIONS="20") as server,
        ExitStack() as stack,
    ):
        held = [stack.enter_context(connected(server)) for _ in range(20)]
        for connection in held:  # in work, so none of them can give way
            connection.sendall(POST + b"content-length: 34\r\n\r\n" + ROW[:5])
        status, told = parted(ask(server))
        assert (status, told["code"]) == (503, "too_many_connections")
        held[0].sendall(ROW[5:])
        assert b'{"prediction":"setosa"}' in held[0].recv(65536)
        end = time.monotonic() + PATIENCE
        while not right(server):  # the one that is idle now gives way
            assert time.monotonic() < end
            time.sleep(0.2)
        assert held[0].recv(10) == b""


def test_who_takes_no_answer_holds_nothing_up(server: ModelServer) -> None:
    with ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(connected(server))
            connection.sendall(RIGHT * 200)
        assert right(server)
