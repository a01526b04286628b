"""Credentials are sent to the clouds' own hosts only, by HTTPS, and along no redirect."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tridock.deploy.azure.account import Account
from tridock.deploy.azure.scoring import Address, Scoring
from tridock.deploy.gcp.account import Account as GoogleAccount
from tridock.deploy.target.errors import ConfigError, TargetError
from tridock.deploy.target.hosts import trusted
from tridock.inference import cloud_hosts
from tridock.inference.bundle.downloads import BlobContainer, Bucket, container, is_blob
from tridock.inference.bundle.location import find
from tridock.inference.errors import BundleMissingError

ALL = (
    cloud_hosts.AZURE_BLOBS,
    cloud_hosts.AZURE_SCORING,
    cloud_hosts.AZURE_LOGS,
    cloud_hosts.GOOGLE_RUN,
)


@dataclass
class Server:
    """A real server that notes what it is sent, and leads on to another if it is told to."""

    url: str = ""
    leads_to: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    """Yield one that redirects to the other."""
    first, second = Server(), Server()
    running = [_start(one) for one in (first, second)]
    first.leads_to = f"{second.url}/elsewhere"
    yield first, second
    for server in running:
        server.shutdown()
        server.server_close()


def _start(noted: Server) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            noted.asked.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(302 if noted.leads_to else 200)
            if noted.leads_to:
                self.send_header("Location", noted.leads_to)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    noted.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.mark.parametrize(
    "host",
    [
        "acct.blob.core.windows.net",
        "ACCT.Blob.Core.Windows.Net",
        "acct.z01.blob.storage.azure.net",
        "acct.blob.core.usgovcloudapi.net",
        "acct.blob.core.chinacloudapi.cn",
        "acct.blob.core.windows.net:443",
    ],
)
def test_azures_storage_gets_tokens_in_public_and_sovereign_clouds(host: str) -> None:
    assert is_blob(f"https://{host}/c/b")


@pytest.mark.parametrize(
    "uri",
    [
        "https://a.blob.evil.example/c/b",
        "https://a.blob.core.windows.net.evil.example/c/b",
        "https://evilblob.core.windows.net/c/b",
        "https://evil.example/.blob.core.windows.net/b",
        "https://evil.example#.blob.core.windows.net/c/b",
        "https://evil.example?.blob.core.windows.net",
        "https://acct.blob.core.windows.net@evil.example/c/b",
        "https://evil.example\\.blob.core.windows.net/c/b",
        "https://user@acct.blob.core.windows.net/c/b",
        "https://acct.blob.core.windows.net:8443/c/b",
        "https://acct.blob.core.windows.net:x/c/b",
        "http://acct.blob.core.windows.net/c/b",
    ],
)
def test_no_identitys_token_is_asked_for_or_sent_elsewhere(
    uri: str, tmp_path: Path, servers: tuple[Server, Server]
) -> None:
    assert not is_blob(uri)
    identity = {"IDENTITY_ENDPOINT": servers[1].url, "IDENTITY_HEADER": "x"}
    with pytest.raises(BundleMissingError, match="TRIDOCK_BUNDLE_URI"):
        find(environment={"TRIDOCK_BUNDLE_URI": uri, **identity}, sagemaker=tmp_path / "absent")
    assert servers[1].asked == []


def test_an_address_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    uri = "https://[::1/c/b"
    assert not is_blob(uri)
    with pytest.raises(BundleMissingError, match="TRIDOCK_BUNDLE_URI is no address"):
        find(environment={"TRIDOCK_BUNDLE_URI": uri}, sagemaker=tmp_path / "absent")


def test_a_redirect_takes_no_credential_along(servers: tuple[Server, Server]) -> None:
    first, second = servers
    token = {"Authorization": "Bearer secret"}
    for files in (BlobContainer(f"{first.url}/c", headers=token), Bucket("b", first.url, token)):
        with pytest.raises(BundleMissingError, match="302"):
            list(files.names("x/"))
    identity = {"IDENTITY_ENDPOINT": f"{first.url}/token", "IDENTITY_HEADER": "secret"}
    with pytest.raises(BundleMissingError, match="302"):
        container("https://acct.blob.core.windows.net/c/b", identity)
    assert len(first.asked) == 3
    assert second.asked == []


@pytest.mark.parametrize("suffixes", ALL, ids=lambda suffixes: suffixes[0])
def test_an_address_that_an_answer_names_must_be_the_clouds(suffixes: tuple[str, ...]) -> None:
    for suffix in suffixes:
        good = f"https://one.eastus{suffix}/score"
        assert trusted(good, suffixes, operation="score") == good
        for bad in (
            f"http://one{suffix}/score",
            f"https://one{suffix}.evil.example/score",
            f"https://evil.example/{suffix}",
            f"https://one{suffix}@evil.example/",
            f"https://evil{suffix.removeprefix('.')}/score",
        ):
            with pytest.raises(TargetError, match="no credential is sent to"):
                trusted(bad, suffixes, operation="score")


def test_an_endpoints_key_is_not_sent_to_a_foreign_scoring_address(
    servers: tuple[Server, Server],
) -> None:
    account = Account("s", "g", "w")
    known = {"e": Address(f"{servers[1].url}/score", "key")}
    with pytest.raises(TargetError, match="no credential is sent to"):
        Scoring(account, known).invoke("e", b"{}", None)
    assert servers[1].asked == []


@pytest.mark.parametrize("location", ["evil.example/", "us-central1.evil.example#", "a@b", ""])
def test_a_location_that_would_make_another_host_is_refused(location: str) -> None:
    with pytest.raises(ConfigError, match="location"):
        GoogleAccount.open({"project": "p", "location": location, "service_account": ""})
