"""The local router against strangers, web pages, and clients that send too much or too slowly."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from tests.deploy import bundles
from tests.deploy.staging import name_of
from tridock.deploy.local import daemon
from tridock.deploy.local.connection import Bounds, Connection
from tridock.deploy.local.router import BODY_BYTES
from tridock.deploy.local.target import LocalTarget
from tridock.deploy.rollout import endpoint_changes
from tridock.deploy.target.model_registry import Approval
from tridock.deploy.target.records import Release
from tridock.deploy.waiting import wait
from tridock.deploy.waiting.wait import Deadline

MEGABYTE = 1 << 20
BODY = {"instances": [[5.1, 3.5, 1.4, 0.2]]}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTarget]:
    """A router with one endpoint, in a process of its own."""
    target = LocalTarget(tmp_path_factory.mktemp("state") / "local")
    bundle = bundles.good(tmp_path_factory.mktemp("bundle") / "v1", "1")
    name = name_of(bundle)
    target.deploy(Release("iris", name, target.upload(bundle), digest=bundle.digest))
    wait.until_ready(target, "iris", name, Deadline.after(240))
    target.models.register(bundle)
    target.models.approve("iris", "1", Approval.APPROVED, "tried")
    target.models.alias("iris", "champion", "1")
    target.notes.write("locks/other.json", b"{}", over=None)
    yield target
    endpoint_changes.remove(target, "iris", Deadline.after(120))


@pytest.fixture
def url(target: LocalTarget) -> str:
    return str(daemon.find(target.folder))


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=120) as client:
        yield client


def attack(folder: Path) -> tuple[dict[str, Any], Path]:
    """Return an order whose model server would run a stranger's code, and what that would make."""
    proof = folder / "ran"
    (folder / "sitecustomize.py").write_text(f"open({str(proof)!r}, 'w').close()\n")
    order = {"endpoint": "x", "name": "x", "folder": "/tmp"}
    return {**order, "variables": {"PYTHONPATH": str(folder)}}, proof


def secret(target: LocalTarget) -> dict[str, str]:
    return {"authorization": f"Bearer {daemon.secret(target.folder)}"}


def test_a_stranger_runs_no_code(
    target: LocalTarget, url: str, client: httpx.Client, tmp_path: Path
) -> None:
    order, proof = attack(tmp_path)
    place = f"{url}/-/endpoints/x/deployments/x"
    for headers, status in (
        ({"host": "evil.example"}, 403),
        ({}, 401),
        ({"authorization": "Bearer guessed"}, 401),
        (secret(target) | {"host": "evil.example"}, 403),
        (secret(target), 400),
    ):
        assert client.put(place, json=order, headers=headers).status_code == status
    assert list(target.endpoints()) == ["iris"]
    assert not (target.folder / "servers" / "x").exists()
    assert not proof.exists()


def test_the_attack_would_have_worked(tmp_path: Path) -> None:
    """A model server with those variables does run that file: the test above can fail."""
    from tridock.inference.process.model_server import ModelServer

    order, proof = attack(tmp_path)
    log = tmp_path / "log" / "server.log"
    server = ModelServer.start(tmp_path, log, environment=order["variables"])
    try:
        server.process.wait(120)
    finally:
        server.stop(grace=0)
    assert proof.exists()


def test_no_variable_and_no_folder_of_an_order_reaches_a_model_server(
    target: LocalTarget, url: str, client: httpx.Client
) -> None:
    good = {
        **dict.fromkeys(("image", "instance", "bundle", "version", "digest"), ""),
        **{"endpoint": "x", "name": "x", "artifact": "0" * 64, "count": 1, "allow_pickle": True},
    }
    place = f"{url}/-/endpoints/x/deployments/x"
    for wrong, status in (
        ({}, 404),  # the order is well formed, and there is no such bundle
        ({"variables": {"LD_PRELOAD": "/tmp/x.so"}}, 400),
        ({"folder": "/tmp"}, 400),
        ({"artifact": "/tmp"}, 400),
        ({"artifact": "../../../tmp"}, 400),
        ({"artifact": "file:///tmp"}, 400),
        ({"endpoint": "../../x"}, 400),
        ({"name": "../x"}, 400),
        ({"count": "1"}, 400),
        ({"allow_pickle": "yes"}, 400),
    ):
        answer = client.put(place, json={**good, **wrong}, headers=secret(target))
        assert (answer.status_code, wrong) == (status, wrong), answer.text
    assert list(target.endpoints()) == ["iris"]


def test_orders_that_are_none_are_told_so(
    target: LocalTarget, url: str, client: httpx.Client
) -> None:
    one = f"{url}/-/endpoints/iris"
    for method, place, body, status in (
        ("PUT", "traffic", b"{", 400),
        ("PUT", "traffic", b"[1]", 400),
        ("PUT", "traffic", b'{"v1": 99}', 400),
        ("PUT", "traffic", b'{"v1": 1e9}', 400),
        ("PUT", "shadow", b'{"name": 1, "percent": 1}', 400),
        ("PUT", "shadow", b" " * MEGABYTE, 413),
        ("PUT", "traffic", b"[" * 60_000, 400),
        ("GET", "deployments/v1/metrics?since=yesterday", b"", 404),
        ("DELETE", "deployments/..%2F..%2Fx", b"", 404),
    ):
        answer = client.request(method, f"{one}/{place}", content=body, headers=secret(target))
        assert (answer.status_code, place, body[:30]) == (status, place, body[:30])


@pytest.mark.parametrize(
    "page",
    [
        {"origin": "https://page.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "rebound.example"},
        {"host": "127.0.0.1.rebound.example"},
        {"host": ""},
    ],
)
def test_a_web_page_reaches_neither_orders_nor_models(
    target: LocalTarget, url: str, client: httpx.Client, page: dict[str, str]
) -> None:
    for method, place in (
        ("GET", "/-/endpoints"),
        ("DELETE", "/-/endpoints/iris"),
        ("POST", "/endpoints/iris/invocations"),
        ("OPTIONS", "/endpoints/iris/invocations"),
    ):
        answer = client.request(method, url + place, json=BODY, headers=secret(target) | page)
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert client.post(f"{url}/endpoints/iris/invocations", json=BODY).status_code == 200


def test_all_that_the_state_folder_holds_is_for_its_owner_only(target: LocalTarget) -> None:
    paths = [target.folder, *target.folder.rglob("*")]
    kinds = {path.name for path in paths}
    assert {"running.json", "router.log", "server.log", "manifest.json", "other.json"} <= kinds
    assert {"version.json", "aliases.json", "port", "lock"} <= kinds
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
    wrong = {
        str(path): oct(mode)
        for path, mode in modes.items()
        if mode != (0o700 if path.is_dir() else 0o600)
    }
    assert wrong == {}


def test_each_router_has_a_secret_of_its_own(target: LocalTarget, tmp_path: Path) -> None:
    assert len(daemon.secret(target.folder)) >= 32
    daemon.announce(tmp_path, "http://127.0.0.1:1", "another")
    assert daemon.secret(tmp_path) == "another"


def _peak(target: LocalTarget) -> int:
    """Return the most memory that the router had so far, in bytes (proc(5), VmHWM)."""
    pid = json.loads((target.folder / "running.json").read_text())["pid"]
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = [line.split()[1] for line in status if line.startswith("VmHWM")]
    return int(peak) * 1024


def test_a_body_without_end_is_refused_and_not_held_in_memory(
    target: LocalTarget, url: str, client: httpx.Client
) -> None:
    before, sent = _peak(target), 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(600):
            sent += MEGABYTE
            yield bytes(MEGABYTE)

    answer = client.post(f"{url}/endpoints/iris/invocations", content=body())
    assert (answer.status_code, "error" in answer.json()) == (413, True)
    assert sent > BODY_BYTES
    assert _peak(target) - before < 150 * MEGABYTE
    assert client.post(f"{url}/endpoints/iris/invocations", json=BODY).status_code == 200


def test_a_body_that_is_declared_too_long_is_refused_unread(url: str) -> None:
    head = "POST /endpoints/iris/invocations HTTP/1.1\r\nHost: localhost\r\n"
    for length in (str(BODY_BYTES + 1), "9" * 300):
        assert _answer(url, f"{head}Content-Length: {length}\r\n\r\n".encode()).startswith(
            ("HTTP/1.1 413", "HTTP/1.1 400")
        )


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (
            b"GET /endpoints/iris/ping?" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
            414,
        ),
        (b"GET /endpoints/iris/ping?" + b"x" * 200_000, 414),
        (b"GET /-/" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 500_000, 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: 1\r\n" * 200 + b"\r\n", 431),
        (b"\x16\x03\x01 this is no HTTP\r\n\r\n", 400),
    ],
)
def test_what_is_too_long_or_no_http_gets_a_clear_answer(
    url: str, sent: bytes, status: int
) -> None:
    answer = _answer(url, sent)
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert "error" in answer


def test_six_hundred_half_sent_requests_are_ended_and_keep_nobody_waiting(
    target: LocalTarget, url: str, client: httpx.Client
) -> None:
    with ExitStack() as stack:
        halves = [stack.enter_context(closing(_connect(url))) for _ in range(600)]
        for number, half in enumerate(halves):
            half.sendall(b"POST /endpoints/iris/invocations HTTP/1.1\r\nHost: localhost\r\n")
            if number % 2:
                half.sendall(b"Content-Length: 100\r\nContent-Type: application/json\r\n")
        assert client.post(f"{url}/endpoints/iris/invocations", json=BODY).status_code == 200
        answers = [_read(half) for half in halves]
    assert {answer.split(" ")[1] for answer in answers} == {"408"}


class Tight(Connection):
    """Connections with bounds that a test reaches soon."""

    bounds = Bounds(connections=5, head_seconds=0.5, request_seconds=1.0, linger_seconds=0.2)


@contextmanager
def tight() -> Iterator[str]:
    """Run an application that reads each request's body behind such connections."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        message: Any = {"more_body": True}
        while message.get("more_body"):
            message = await receive()
        if message["type"] == "http.disconnect":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"read"})

    config = uvicorn.Config(app, http=Tight, ws="none", log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def test_a_slow_sender_is_cut_off_within_its_body() -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with tight() as url:
        for body in (b"", b"5\r\nhello\r\n", b"5\r\nhel"):
            answer = _answer(url, head + body)
            assert answer.startswith("HTTP/1.1 408 ")
            assert "the whole request did not come within 1 s" in answer
        assert "read" in _answer(url, head + b"0\r\n\r\n")


def test_trailers_and_chunk_extensions_without_end_are_refused() -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with tight() as url:
        for body in (
            b"0\r\nX: " + b"x" * 500_000,
            b"0\r\n" + b"X: 1\r\n" * 20_000,
            b"1;" + b"x" * 500_000,
        ):
            assert _answer(url, head + body)[:12] in ("HTTP/1.1 431", "HTTP/1.1 408")


def test_more_connections_than_there_may_be_are_told_to_try_again() -> None:
    with tight() as url, ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(closing(_connect(url)))
        deadline = time.monotonic() + 60
        answer = ""
        while "503" not in answer and time.monotonic() < deadline:
            answer = _answer(url, b"")
        assert answer.startswith("HTTP/1.1 503 ")
        assert "retry-after: 1" in answer


def _connect(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=120)


def _answer(url: str, sent: bytes) -> str:
    with _connect(url) as connection:
        with suppress(OSError):  # it may be refused before all was sent
            connection.sendall(sent)
        return _read(connection, end=b"}")


def _read(connection: socket.socket, end: bytes = b"\0") -> str:
    """Return what comes until the other side closes, or the last byte is `end`."""
    told = b""
    while not told.endswith((end, b"0\r\n\r\n")):
        try:
            chunk = connection.recv(65536)
        except ConnectionResetError:
            break
        if not chunk:
            break
        told += chunk
    return told.decode("latin-1")
