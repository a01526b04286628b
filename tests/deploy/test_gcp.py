"""Releases to emulated Vertex AI and Cloud Run through the door, and what they leave there."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from tests.deploy import bundles
from tests.deploy.commandline import ROOT, Door
from tests.deploy.staging import name_of
from tridock.deploy.gcp import names
from tridock.deploy.gcp.errors import of_status, translated
from tridock.deploy.target.errors import (
    BusyError,
    ConflictError,
    CredentialsError,
    DeployError,
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    TargetError,
    UnavailableError,
)
from tridock.deploy.target.records import Release
from tridock.examples.client import Client
from tridock.examples.docks import Answer
from tridock.inference.bundle.bundle import Bundle

SPEED = "600"
CLOUD_RUN = ("--set", "gcp.service=cloud-run")
NOTHING: dict[str, list[str]] = {"endpoints": [], "models": [], "services": [], "objects": []}


@dataclass(frozen=True)
class Account:
    """The emulated project, seen by plain HTTP."""

    environment: Mapping[str, str]

    def left(self) -> dict[str, list[str]]:
        """Name everything that a release may leave."""
        parent = "projects/tridock-local/locations/us-central1"
        return {
            "endpoints": self._names(f"/v1/{parent}/endpoints", "endpoints"),
            "models": self._names(f"/v1/{parent}/models", "models"),
            "services": self._names(f"/v2/{parent}/services", "services"),
            "objects": self._names("/storage/v1/b/tridock-local-models/o", "items"),
        }

    def versions(self) -> dict[str, list[str]]:
        """Aliases by version of the one model there is."""
        path = "/v1/projects/tridock-local/locations/us-central1/models/iris:listVersions"
        found = self._get(path)["models"]
        return {each["versionId"]: sorted(each["versionAliases"]) for each in found}

    def servers(self) -> int:
        return len(self._get("/_emulator/servers")["servers"])

    def deployments_begun(self, endpoint: str) -> int:
        path = f"/v1/projects/tridock-local/locations/us-central1/endpoints/{endpoint}/operations"
        kinds = [one["metadata"]["@type"] for one in self._get(path).get("operations", ())]  # type: ignore[index]
        return sum("DeployModelOperation" in kind and "Un" not in kind for kind in kinds)

    def fail(self, *plan: dict[str, str | int]) -> list[str]:
        """Plan faults in the place of those before, and name the operations that met those."""
        url = self.environment["TRIDOCK_GCP_URL"] + "/_emulator/faults"
        met = [one["operation"] for one in self._get("/_emulator/faults")["met"]]
        with requests.Session() as session:
            session.trust_env = False
            session.put(url, json=list(plan), headers=self._headers, timeout=600).raise_for_status()
        return met

    def ask(self, session: requests.Session) -> Answer:
        """Send one live request, and tell which version answered."""
        time.sleep(0.05)  # two cores serve the release, too
        session.trust_env = False
        path = "/v1/projects/tridock-local/locations/us-central1/endpoints/iris:predict"
        url = self.environment["TRIDOCK_GCP_URL"] + path
        row = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
        answer = session.post(url, json=row, headers=self._headers, timeout=600)
        answer.raise_for_status()
        told = answer.json()
        return Answer(answer.text, told["predictions"] == ["setosa"], told["modelVersionId"])

    def _names(self, path: str, key: str) -> list[str]:
        return [each["name"].rpartition("/")[2] for each in self._get(path).get(key, ())]

    def _get(self, path: str) -> dict[str, list[dict[str, str]]]:
        url = self.environment["TRIDOCK_GCP_URL"] + path
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(url, headers=self._headers, timeout=600)
            found: dict[str, list[dict[str, str]]] = answer.json()
            return found

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.environment['TRIDOCK_GCP_TOKEN']}"}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    state = tmp_path_factory.mktemp("gcp")
    where = [sys.executable, "-m", "tridock.emulators"]
    named = ["gcp", "--state", str(state)]
    subprocess.run([*where, "up", *named, "--speed", SPEED], cwd=ROOT, check=True)
    yield Door("gcp", state)
    subprocess.run([*where, "down", *named], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def account(door: Door) -> Account:
    command = [sys.executable, "-m", "tridock.emulators", "env", "gcp", "--state", str(door.state)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    words = [shlex.split(line)[1] for line in said.splitlines() if line.startswith("export ")]
    return Account(dict(word.split("=", 1) for word in words))


def test_two_releases_a_rollback_and_a_deletion_leave_nothing(
    door: Door, account: Account, v1: Bundle, v2: Bundle
) -> None:
    first = door("release", "--bundle", v1.path, "--json")
    assert first.code == 0, first.err
    said = door("release", "--bundle", v2.path, "--json")
    assert said.code == 0, said.err
    assert said.json()["traffic"] == {name_of(v2): 100}
    assert account.versions() == {
        "1": sorted(["green", name_of(v1)]),
        "2": sorted(["blue", "default", name_of(v2)]),
    }
    _check_clients(account, said.json()["snippets"])
    assert door("rollback", "--json").json()["traffic"] == {name_of(v1): 100}
    assert door("delete").code == 0
    assert account.left() == NOTHING
    assert account.servers() == 0


def _check_clients(account: Account, snippets: Mapping[str, str]) -> None:
    """The tutorial's client, and the pasted one, in a shell that knows nothing."""
    snippet = ROOT / "examples" / "clients" / "vertex_ai.py"
    pasted = [sys.executable, "-c", snippets["google-cloud-aiplatform"]]
    environment = {"PATH": "/usr/bin:/bin", **account.environment}
    clients = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for command in ([sys.executable, str(snippet)], pasted)
    ]
    tutorial, raw = (client.communicate(timeout=600)[0].splitlines()[-1] for client in clients)
    assert tutorial == "['setosa']"
    assert json.loads(raw) == {"predictions": ["setosa"]}


def test_a_deployment_is_begun_once_though_its_label_is_refused_at_first(
    door: Door, account: Account, v1: Bundle
) -> None:
    """The first change of an endpoint is the label that remembers what was begun."""
    before = account.deployments_begun("iris")
    account.fail({"operation": "UpdateEndpoint", "kind": "503", "nth": 1})
    assert door("release", "--bundle", v1.path).code == 0
    assert account.fail() == ["UpdateEndpoint"]
    assert account.deployments_begun("iris") == before + 1
    assert account.servers() == 1
    assert door("delete").code == 0


def test_a_gate_that_says_no_leaves_all_as_it_was(
    door: Door, account: Account, v1: Bundle, tmp_path: Path
) -> None:
    assert door("release", "--bundle", v1.path).code == 0
    before = account.left()
    said = door("release", "--bundle", bundles.lying(tmp_path / "lying", "2").path)
    assert said.code == 3
    assert "at 10 %: agreement failed" in said.err
    assert account.left() == before
    bundle = bundles.crashing(tmp_path / "crashing", "3")
    crashed = door("release", "--bundle", bundle.path, "--set", "gates.requests=0")
    assert crashed.code == 1
    assert "the weights are gone" in crashed.err
    assert account.left() == before
    assert door("delete").code == 0
    assert account.left() == NOTHING


def test_live_requests_alone_let_a_good_release_through_and_stop_a_bad_one(
    door: Door, account: Account, v1: Bundle, v2: Bundle, tmp_path: Path
) -> None:
    assert door("release", "--bundle", v1.path, "--set", "gates.requests=0").code == 0
    told = ("gates.requests=0", "gates.minimum_requests=10", "gates.error_rate=0.02", "bake=0.1")
    alone = [word for setting in told for word in ("--set", setting)]
    bad = bundles.scripted(tmp_path / "bad", "3", bundles.Badness(every=2))
    with requests.Session() as session, Client(lambda: account.ask(session)) as client:
        said = door("release", "--bundle", v2.path, "--json", *alone, "--set", "steps=50,100")
        assert said.code == 0, said.err
        assert said.json()["traffic"] == {name_of(v2): 100}
        stopped = door("release", "--bundle", bad.path, *alone, "--set", "steps=50,100")
        assert stopped.code == 3, stopped.err
        assert "at 50 %: error_rate failed" in stopped.err
        assert " live request" in stopped.err
    assert client.answers["2"]
    assert all("500 Server Error" in each for each in client.failures)
    assert door("status", "--json").json()[0]["traffic"] == {name_of(v2): 100}
    assert door("delete").code == 0


def test_cloud_run_takes_the_same_release(
    door: Door, account: Account, v1: Bundle, v2: Bundle
) -> None:
    for bundle in (v1, v2):
        said = door("release", "--bundle", bundle.path, "--json", *CLOUD_RUN)
        assert said.code == 0, said.err
    assert said.json()["traffic"] == {name_of(v2): 100}
    assert account.left()["services"] == ["iris"]
    assert door("rollback", "--json", *CLOUD_RUN).json()["traffic"] == {name_of(v1): 100}
    assert door("delete", *CLOUD_RUN).code == 0
    assert account.left() == NOTHING


@pytest.mark.parametrize(
    ("raised", "ours"),
    [
        (api.NotFound("gone"), NotFoundError),
        (api.Conflict("there"), ConflictError),
        (api.Forbidden("no"), PermissionDeniedError),
        (api.Unauthorized("who"), CredentialsError),
        (api.ServiceUnavailable("later"), UnavailableError),
        (api.TooManyRequests("slower"), UnavailableError),
        (api.BadRequest("wrong"), TargetError),
        (api.RetryError("tired", Exception()), UnavailableError),
        (auth.DefaultCredentialsError("none"), CredentialsError),
        (requests.ConnectionError("cut"), UnavailableError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_googles_errors_become_ours(raised: Exception, ours: type[DeployError]) -> None:
    with pytest.raises(ours) as caught, translated("aiplatform:DeployModel"):
        raise raised
    assert type(caught.value) is ours
    assert "aiplatform:DeployModel" in str(caught.value)


def test_a_failed_precondition_is_a_conflict_and_a_used_up_quota_is_not_retried() -> None:
    for code, said in (("ABORTED", "no"), ("FAILED_PRECONDITION", "An operation is in progress.")):
        assert type(of_status(400, said, operation="x", code=code)) is BusyError
    refused = of_status(400, "in use", operation="x", code="FAILED_PRECONDITION")
    assert isinstance(refused, ConflictError)
    used = of_status(429, "exceed quota limits", operation="x", code="RESOURCE_EXHAUSTED")
    assert isinstance(used, QuotaError)


def test_googles_hint_to_wait_is_kept() -> None:
    answer = requests.Response()
    answer.status_code = 429
    hint = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"}
    error = {"status": "RESOURCE_EXHAUSTED", "message": "slower", "details": [hint]}
    answer._content = json.dumps({"error": error}).encode()
    with pytest.raises(UnavailableError) as caught, translated("aiplatform:DeployModel"):
        raise api.TooManyRequests("slower", response=answer)
    assert caught.value.retry_after == 1.5


def test_a_digest_is_read_back_from_its_labels() -> None:
    digest = "0123456789abcdef" * 4
    labels = names.labels(Release("e", "v1", "gs://b/x", digest=digest, bundle="iris"))
    assert names.digest(labels) == digest
    assert all(len(value) <= 63 for value in labels.values())
