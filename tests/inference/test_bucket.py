"""A bundle in a bucket is downloaded whole, or it is told why not."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tridock.inference.bundle.bundle import Bundle
from tridock.inference.bundle.downloads import download
from tridock.inference.bundle.location import find
from tridock.inference.errors import BundleError, BundleMissingError


@dataclass
class Storage:
    """What of Google Cloud Storage's JSON API reading needs, two objects a page."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    gone: tuple[str, ...] = ("half/b",)  # listed, and not there any more

    def answer(self, target: str) -> tuple[int, bytes]:
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        root, name = parts.path.partition("/o")[0], unquote(parts.path.partition("/o")[2][1:])
        if root != "/storage/v1/b/mine":
            return 404, b"{}"
        if name:
            return (200, self.objects[name]) if name in self.objects else (404, b"{}")
        names = sorted({*self.objects, *self.gone})
        names = [each for each in names if each.startswith(query["prefix"])]
        start = int(query.get("pageToken", 0))
        page: dict[str, object] = {"items": [{"name": each} for each in names[start : start + 2]]}
        if start + 2 < len(names):
            page["nextPageToken"] = str(start + 2)
        return 200, json.dumps(page).encode()


@pytest.fixture(scope="module")
def storage() -> Iterator[Storage]:
    served = Storage()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = served.answer(self.path)
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


@pytest.fixture
def environment(
    storage: Storage, loan_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    files = [path for path in loan_bundle.path.rglob("*") if path.is_file()]
    storage.objects = {
        f"models/loan/{file.relative_to(loan_bundle.path)}": file.read_bytes() for file in files
    } | {
        "models/loan/": b"",
        "models/loan-other/x": b"",
        "a/../../b": b"",
        "deep/code/a b.py": b"x",
        "half/a": b"x",
    }
    return {"STORAGE_EMULATOR_HOST": storage.url, "AIP_STORAGE_URI": "gs://mine/models/loan"}


def test_a_bundle_is_read_from_its_bucket(
    environment: dict[str, str], loan_bundle: Bundle, tmp_path: Path
) -> None:
    found = find(environment=environment, sagemaker=tmp_path / "absent")
    assert Bundle.read(found).digest == loan_bundle.digest


def test_folders_and_odd_names_are_kept(environment: dict[str, str]) -> None:
    assert (download("gs://mine/deep/", environment) / "code" / "a b.py").read_bytes() == b"x"


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_an_emulator_may_be_named_with_or_without_scheme(
    environment: dict[str, str], scheme: str
) -> None:
    host = environment["STORAGE_EMULATOR_HOST"].removeprefix("http://")
    assert download("gs://mine/deep", {"STORAGE_EMULATOR_HOST": scheme + host}).is_dir()


@pytest.mark.parametrize(
    ("uri", "kind", "message"),
    [
        ("gs://mine/absent", BundleMissingError, "gs://mine/absent holds nothing"),
        ("gs://other/x", BundleMissingError, "answers 404 .* for bucket other: does it exist"),
        ("gs://mine/a", BundleError, "leads out of the bundle"),
    ],
)
def test_what_cannot_be_downloaded_is_told(
    environment: dict[str, str], uri: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        download(uri, environment)


def test_a_storage_that_is_away_is_told() -> None:
    with pytest.raises(BundleMissingError, match="cannot be reached"):
        download("gs://mine/x", {"STORAGE_EMULATOR_HOST": "http://127.0.0.1:9"})


def test_another_scheme_is_told(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError, match="s3://mine/x: download it first"):
        find(environment={"AIP_STORAGE_URI": "s3://mine/x"}, sagemaker=tmp_path / "absent")


def test_half_a_download_is_not_left_behind(environment: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError, match="answers 404"):
        download("gs://mine/half", environment)
    assert not list(tmp_path.iterdir())
