"""One emulated Google Cloud for all tests of it, with calls by plain REST."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from google.auth.transport.requests import Request
from google.oauth2.service_account import IDTokenCredentials

from tests.deploy import bundles
from tridock.emulators import daemon
from tridock.emulators.gcp.state.database import Database
from tridock.emulators.place import Place
from tridock.inference.bundle.bundle import Bundle

PARENT = "projects/kit/locations/us-central1"
IMAGE = "us-central1-docker.pkg.dev/kit/kit/kit:1"
ROW = [5.1, 3.5, 1.4, 0.2]

OpenDatabase = Callable[[Path], Database]


@pytest.fixture
def database_at() -> Iterator[OpenDatabase]:
    """Open databases, and close them afterwards: Python 3.13 warns of one that is left open."""
    with ExitStack() as stack:

        def opened(path: Path) -> Database:
            database = Database(path)
            stack.callback(database.close)
            return database

        yield opened


@dataclass(frozen=True)
class Api:
    """The emulator's REST interface on the loopback."""

    url: str
    session: requests.Session

    def ask(self, verb: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return status and JSON of one call."""
        answer = self.session.request(verb, f"{self.url}{path}", json=body, timeout=600)
        return answer.status_code, answer.json() if answer.content else None

    def call(self, verb: str, path: str, body: Any = None) -> Any:
        """Return the JSON of a call that succeeds."""
        status, record = self.ask(verb, path, body)
        assert status == 200, record
        return record

    def done(self, operation: Mapping[str, Any]) -> Any:
        """Return an operation when it is done."""
        record: Any = operation
        while not record.get("done"):
            time.sleep(0.05)
            record = self.call("GET", f"/ui/{record['name']}")
        return record

    def control(self, verb: str, path: str, body: Any = None) -> Any:
        """Return the JSON of a request to the emulator itself."""
        return self.call(verb, f"/_emulator/{path}", body)

    def endpoint(self, name: str, **settings: Any) -> str:
        """Make an endpoint and return its name."""
        path = f"/v1/{PARENT}/endpoints?endpointId={name}"
        operation = self.call("POST", path, {"displayName": name, **settings})
        return str(self.done(operation)["response"]["name"])

    def model(self, name: str, uri: str, **container: Any) -> str:
        """Register a model and return its name."""
        spec = {"imageUri": IMAGE, "predictRoute": "/predict", "healthRoute": "/readyz"}
        model = {"displayName": name, "artifactUri": uri, "containerSpec": spec | container}
        body = {"modelId": name, "model": model}
        operation = self.call("POST", f"/v1/{PARENT}/models:upload", body)
        return str(self.done(operation)["response"]["model"])

    def deploy(self, endpoint: str, model: str, split: Mapping[str, int]) -> Any:
        """Deploy a model and return the operation when it is done."""
        resources = {"machineSpec": {"machineType": "n1-standard-2"}, "minReplicaCount": 1}
        deployed = {"model": model, "dedicatedResources": resources}
        body = {"deployedModel": deployed, "trafficSplit": split}
        return self.done(self.call("POST", f"/v1/{endpoint}:deployModel", body))

    def store(self, bucket: str, name: str, data: bytes) -> str:
        """Write an object, and its bucket first, and return its URI."""
        self.ask("POST", "/storage/v1/b?project=kit", {"name": bucket})
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
        answer = self.session.post(f"{self.url}{path}", data=data, timeout=600)
        assert answer.status_code == 200, answer.text
        return f"gs://{bucket}/{name}"

    def store_bundle(self, bucket: str, bundle: Path) -> str:
        """Write a bundle's files and return the URI of their folder."""
        for path in sorted(path for path in bundle.rglob("*") if path.is_file()):
            self.store(bucket, f"model/{path.relative_to(bundle)}", path.read_bytes())
        return f"gs://{bucket}/model"


@dataclass(frozen=True)
class Served:
    """An endpoint with one deployed model, shared by tests that change neither."""

    endpoint: str
    model: str
    deployed: str


@pytest.fixture(scope="session")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """What `python -m tridock.emulators env gcp` prints, of an emulator of our own."""
    place = Place("gcp", tmp_path_factory.mktemp("gcp"), speed=600)
    yield daemon.up(place).environment
    daemon.down(place)


@pytest.fixture(scope="session")
def api(variables: Mapping[str, str]) -> Iterator[Api]:
    with connected(variables) as api:
        yield api


@contextmanager
def connected(variables: Mapping[str, str]) -> Iterator[Api]:
    """Give the REST interface of the emulator that `variables` lead to."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {variables['TRIDOCK_GCP_TOKEN']}"
        yield Api(variables["TRIDOCK_GCP_URL"], session)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return bundles.good(tmp_path_factory.mktemp("bundle") / "1", "1")


@pytest.fixture(scope="session")
def served(api: Api, bundle: Bundle) -> Served:
    endpoint = api.endpoint("shared")
    model = api.model("shared", api.store_bundle("kit-shared", bundle.path))
    operation = api.deploy(endpoint, model, {"0": 100})
    return Served(endpoint, model, operation["response"]["deployedModel"]["id"])


def identity(variables: Mapping[str, str], audience: str) -> str:
    """Return an identity token for a service of Cloud Run, by the service account's key."""
    credentials = IDTokenCredentials.from_service_account_file(
        variables["GOOGLE_APPLICATION_CREDENTIALS"], target_audience=audience
    )
    with requests.Session() as session:
        session.trust_env = False
        url = f"{variables['TRIDOCK_GCP_URL']}/token"
        own = credentials.with_token_uri(url)
        own.refresh(Request(session))
    return str(own.token)


def run(variables: Mapping[str, str], script: Path, *words: str) -> Any:
    """Run a script as a user would after `eval`, and return the JSON of its last line."""
    environment = {"PATH": "/usr/bin:/bin", **variables}
    command = [sys.executable, str(script), *words]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])
