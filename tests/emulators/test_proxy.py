"""The CONNECT proxy and the local authority, with real clients."""

from __future__ import annotations

import http.server
import resource
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import httpx
import pytest
import requests

from tridock.emulators.certificates import Authority
from tridock.emulators.proxy import Proxy, Route

BIG = b"x" * 3_000_000


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Host", self.headers["Host"])
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


class EchoCall(grpc.GenericRpcHandler):  # type: ignore[misc]
    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(lambda request, _: request + b"!")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.at(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def proxy(authority: Authority) -> Iterator[str]:
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    calls = grpc.server(futures.ThreadPoolExecutor(2), handlers=(EchoCall(),))
    route = Route("*.example.test", web.server_port, calls.add_insecure_port("127.0.0.1:0"))
    calls.start()
    proxy = Proxy([route], authority)
    proxy.listen(0)
    yield f"http://127.0.0.1:{proxy.port}"
    proxy.stop()
    calls.stop(None).wait()
    web.shutdown()
    thread.join()
    web.server_close()


@pytest.mark.parametrize("host", ["api.example.test", "a.b.c.example.test", "API.Example.test"])
def test_requests_reaches_a_named_host_over_tls(
    proxy: str, authority: Authority, host: str
) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.proxies = {"https": proxy}
        session.verify = str(authority.bundle)
        answer = session.post(f"https://{host}/x", data=BIG)
        assert answer.content == BIG
        assert answer.headers["X-Host"].lower() == host.lower()


def test_httpx_reaches_a_named_host_over_tls(proxy: str, authority: Authority) -> None:
    trust = ssl.create_default_context(cafile=str(authority.ca))
    trust.verify_flags |= ssl.VERIFY_X509_STRICT
    with httpx.Client(proxy=proxy, verify=trust) as client:
        assert client.post("https://api.example.test/x", content=b"hello").content == b"hello"


def test_grpc_is_led_to_the_http2_port(
    proxy: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    credentials = grpc.ssl_channel_credentials(authority.ca.read_bytes())
    with grpc.secure_channel("api.example.test:443", credentials) as channel:
        assert channel.unary_unary("/any/Call")(b"hello", timeout=600) == b"hello!"


def test_unknown_hosts_are_refused_in_words(proxy: str, authority: Authority) -> None:
    with (
        httpx.Client(proxy=proxy) as client,
        pytest.raises(httpx.ProxyError, match="api.other.test is not one of its hosts"),
    ):
        client.get("https://api.other.test/")


def test_plain_http_to_an_unknown_host_is_refused_too(proxy: str) -> None:
    with httpx.Client(proxy=proxy) as client:
        answer = client.get("http://metadata.google.internal/computeMetadata/v1/")
    assert answer.status_code == 403
    assert "metadata.google.internal is not one of its hosts" in answer.text


def test_clients_that_were_not_told_of_the_authority_do_not_trust_it(proxy: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"https": proxy}))
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        opener.open("https://api.example.test/")


def test_the_authority_is_kept_in_its_folder(tmp_path: Path) -> None:
    first = Authority.at(tmp_path / "tls").ca.read_bytes()
    assert Authority.at(tmp_path / "tls").ca.read_bytes() == first
    assert (tmp_path / "tls" / "ca.key").stat().st_mode & 0o077 == 0


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Let no file grow over 300 bytes: the authority's key is written, its certificate is not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_no_half_of_an_authority(tmp_path: Path, full_disk: None) -> None:
    for _ in range(2):
        with pytest.raises(OSError, match="too large"):
            Authority.at(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["ca.key"]


def test_a_server_on_the_loopback_can_use_the_authority(authority: Authority) -> None:
    web = http.server.HTTPServer(("127.0.0.1", 0), Echo)
    web.socket = authority.context("127.0.0.1").wrap_socket(web.socket, server_side=True)
    thread = threading.Thread(target=web.handle_request)
    thread.start()
    url = f"https://127.0.0.1:{web.server_port}/"
    assert requests.post(url, data=b"hi", verify=str(authority.bundle)).content == b"hi"
    thread.join()
    web.server_close()
