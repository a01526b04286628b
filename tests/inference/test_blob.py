"""A bundle in Azure Blob storage is downloaded by a token or a signature, or it is told why not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tridock.inference.bundle.downloads import BlobContainer, container, is_blob
from tridock.inference.bundle.location import find
from tridock.inference.errors import BundleMissingError

BLOBS = {"b/1/manifest.json": b"{}", "b/1/code/a b.py": b"x", "b/2/c": b"y", "b/1/& <.txt": b"z"}


@dataclass
class Azure:
    """What of the Blob service and of the identity's endpoint reading needs, two blobs a page."""

    url: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def answer(self, target: str, headers: dict[str, str]) -> tuple[int, bytes]:
        self.asked.append((target, headers))
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/token":
            known = headers.get("x-identity-header") == "known"
            return (200, b'{"access_token": "good"}') if known else (401, b"{}")
        if headers.get("authorization") != "Bearer good" and query.get("sig") != "good":
            return 403, b""
        if parts.path != "/mine":
            name = unquote(parts.path.removeprefix("/mine/"))
            return (200, BLOBS[name]) if name in BLOBS else (404, b"")
        return 200, _page(query)


def _page(query: dict[str, str]) -> bytes:
    names = sorted(each for each in BLOBS if each.startswith(query["prefix"]))
    start = int(query.get("marker", 0))
    shown = [each.replace("&", "&amp;").replace("<", "&lt;") for each in names[start : start + 2]]
    blobs = "".join(f"<Blob><Name>{each}</Name></Blob>" for each in shown)
    marker = start + 2 if start + 2 < len(names) else ""
    inner = f"<Blobs>{blobs}</Blobs><NextMarker>{marker}</NextMarker>"
    return f"<?xml version='1.0'?><EnumerationResults>{inner}</EnumerationResults>".encode()


@pytest.fixture(scope="module")
def azure() -> Iterator[Azure]:
    served = Azure()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, body = served.answer(self.path, headers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield served
        server.shutdown()


@pytest.mark.parametrize("way", ["signature", "token"])
def test_every_page_and_every_odd_name_is_read(azure: Azure, tmp_path: Path, way: str) -> None:
    by = {"query": {"sig": "good"}} if way == "signature" else {}
    headers = {} if by else {"Authorization": "Bearer good"}
    blobs = BlobContainer(f"{azure.url}/mine", **by, headers=headers)
    names = list(blobs.names("b/1/"))
    assert names == ["b/1/& <.txt", "b/1/code/a b.py", "b/1/manifest.json"]
    for name in names:
        blobs.fetch(name, tmp_path / name)
        assert (tmp_path / name).read_bytes() == BLOBS[name]


def test_who_may_not_read_is_told_what_is_needed_and_no_secret(azure: Azure) -> None:
    blobs = BlobContainer(f"{azure.url}/mine", {"sig": "stale"})
    with pytest.raises(BundleMissingError, match="answers 403 .*Storage Blob Data Reader") as told:
        list(blobs.names(""))
    assert "stale" not in str(told.value)


def test_an_address_without_signature_is_read_as_the_managed_identity(azure: Azure) -> None:
    named = {"IDENTITY_ENDPOINT": f"{azure.url}/token", "IDENTITY_HEADER": "known"}
    uri = "https://acct.blob.core.windows.net/mine/b/1"
    found, folder = container(uri, {**named, "TRIDOCK_IDENTITY_ID": "/subscriptions/s/id"})
    assert (found.address, folder) == ("https://acct.blob.core.windows.net/mine", "b/1")
    assert found.headers == {"Authorization": "Bearer good"}
    asked = azure.asked[-1][0]
    assert "mi_res_id=%2Fsubscriptions%2Fs%2Fid" in asked
    assert "resource=https%3A%2F%2Fstorage.azure.com%2F" in asked


def test_no_identity_is_told(azure: Azure) -> None:
    named = {"IDENTITY_ENDPOINT": f"{azure.url}/token", "IDENTITY_HEADER": "unknown"}
    with pytest.raises(BundleMissingError, match="no credentials to read blobs with"):
        container("https://acct.blob.core.windows.net/mine/b", named)


def test_a_signature_is_used_as_it_came_and_shown_nowhere() -> None:
    uri = "https://acct.blob.core.windows.net/mine/b?sv=1&sig=a%2Bb%3D"
    found, _ = container(uri, {})
    assert found.query == {"sv": "1", "sig": "a+b="}
    assert "a+b" not in repr(found)


@pytest.mark.parametrize(
    "uri", ["http://acct.blob.core.windows.net/c/b", "https://example.com/.blob./b", "/a/.blob./b"]
)
def test_no_token_is_asked_for_other_addresses(uri: str, tmp_path: Path) -> None:
    assert not is_blob(uri)
    with pytest.raises(BundleMissingError, match="TRIDOCK_BUNDLE_URI"):
        find(environment={"TRIDOCK_BUNDLE_URI": uri}, sagemaker=tmp_path / "absent")
