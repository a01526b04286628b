"""A stranger's web page in a real browser reads, starts and changes nothing here."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.deploy import bundles
from tests.deploy.staging import name_of
from tests.security.browser import CHROMIUM, Attempt, record
from tridock.deploy.local import daemon as router
from tridock.deploy.local.target import LocalTarget
from tridock.deploy.rollout import endpoint_changes
from tridock.deploy.target.records import Release
from tridock.deploy.waiting import wait
from tridock.deploy.waiting.wait import Deadline
from tridock.emulators import daemon
from tridock.emulators.control import address, ask
from tridock.emulators.place import Place

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium"
)

JSON = "application/json"
AMZ = "application/x-amz-json-1.1"
CONTROLS = (
    ("POST", "/_emulator/reset"),
    ("PUT", "/_emulator/faults"),
    ("GET", "/_emulator/faults"),
)
AWS = (
    ("GET", "/", ""),
    ("PUT", "/stolen", ""),
    ("PUT", "/stolen/model.tar.gz", "bytes"),
    ("POST", "/", "Action=CreateUser&UserName=stranger&Version=2010-05-08"),
    ("POST", "/", "Action=GetCallerIdentity&Version=2011-06-15"),
    ("POST", "/endpoints/iris/invocations", "1,2,3,4"),
    ("GET", "/moto-api/data.json", ""),
    ("POST", "/moto-api/reset", ""),
)
PROJECT = "/v1/projects/tridock-local/locations/us-central1"
GCP = (
    ("POST", "/token", "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer"),
    ("POST", "/storage/v1/b?project=tridock-local", '{"name": "stolen"}'),
    ("POST", "/upload/storage/v1/b/stolen/o?uploadType=media&name=x", "bytes"),
    ("POST", f"{PROJECT}/endpoints", '{"displayName": "stranger"}'),
    ("GET", f"{PROJECT}/endpoints", ""),
)
AZURE = (
    ("GET", "/metadata/endpoints", ""),
    ("GET", "/msi/token?resource=https://storage.azure.com&api-version=2019-08-01", ""),
    ("GET", "/subscriptions?api-version=2022-12-01", ""),
    ("PUT", "/_storage/tridocklocal/stolen?restype=container", ""),
    ("POST", "/_endpoints/iris/score", '{"features": [1, 2, 3, 4]}'),
)
ATTACKS = {"aws": AWS, "gcp": GCP, "azure": AZURE}


def _attempts(url: str, cloud: str) -> Iterator[Attempt]:
    rebound = url.replace("127.0.0.1", "rebound.example")
    for base in (url, rebound):
        for method, path in CONTROLS:
            yield Attempt(method, f"{base}{path}", "[]" if method == "PUT" else "")
        for method, path, body in ATTACKS[cloud]:
            yield Attempt(method, f"{base}{path}", body)
        if cloud == "aws":
            headers = {"X-Amz-Target": "SageMaker.ListModels", "Content-Type": AMZ}
            headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=testing/20260101/x"
            yield Attempt("POST", f"{base}/", "{}", headers)


@pytest.mark.parametrize("any_credentials", [False, True], ids=["", "any-credentials"])
@pytest.mark.parametrize("cloud", ATTACKS)
def test_a_web_page_reads_and_changes_nothing(
    cloud: str, any_credentials: bool, tmp_path: Path
) -> None:
    place = Place(cloud, tmp_path / "state", any_credentials=any_credentials)
    running = daemon.up(place)
    try:
        url = address(running)
        assert url
        assert record(list(_attempts(url, cloud)), tmp_path) == []
        report = ask(running, "GET", "faults")
        assert report["calls"] == []
    finally:
        daemon.down(place)


def test_a_web_page_reads_nothing_of_the_local_router_and_changes_nothing(tmp_path: Path) -> None:
    target = LocalTarget(tmp_path / "local")
    bundle = bundles.good(tmp_path / "bundle", "1")
    name = name_of(bundle)
    target.deploy(Release("iris", name, target.upload(bundle), digest=bundle.digest))
    wait.until_ready(target, "iris", name, Deadline.after(240))
    try:
        url = router.find(target.folder)
        assert url
        before = target.describe("iris")
        assert record(list(_router_attempts(url, tmp_path)), tmp_path) == []
        assert target.describe("iris") == before
    finally:
        endpoint_changes.remove(target, "iris", Deadline.after(120))


def _router_attempts(url: str, folder: Path) -> Iterator[Attempt]:
    evil = {"endpoint": "x", "name": "x", "folder": str(folder), "variables": {"PYTHONPATH": "/x"}}
    for base in (url, url.replace("127.0.0.1", "rebound.example")):
        yield Attempt("PUT", f"{base}/-/endpoints/x/deployments/x", json.dumps(evil))
        yield Attempt("PUT", f"{base}/-/endpoints/iris/traffic", '{"x": 100}')
        yield Attempt("DELETE", f"{base}/-/endpoints/iris")
        yield Attempt("GET", f"{base}/-/endpoints")
        yield Attempt("POST", f"{base}/endpoints/iris/predict", '{"features": [1, 2, 3, 4]}')
        yield Attempt("POST", f"{base}/iris/predict", '{"features": [1, 2, 3, 4]}')


def test_the_page_can_read_a_server_that_allows_it(tmp_path: Path) -> None:
    """The positive control: what the other tests expect to fail does work where it may."""
    bodies: list[str] = []

    class Open(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._answer()

        def do_OPTIONS(self) -> None:
            self._answer()

        def _answer(self) -> None:
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Headers", "*")
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"open")

        def log_message(self, format: str, *arguments: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Open) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        named = url.replace("127.0.0.1", "rebound.example")
        body = json.dumps({"a": 1})
        read = record(
            [Attempt("POST", url, body, {"X-Own": "1"}), Attempt("POST", named, body)], tmp_path
        )
        server.shutdown()
    assert read == [{"url": url, "answer": "200 open"}, {"url": named, "answer": "200 open"}]
    assert len(bodies) == 6  # readable, blind and as a form, each at both names
