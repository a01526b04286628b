"""What is Azure's own in `deploy.azure`: mirrored traffic, key rotation, errors, nothing left."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from azure.ai.ml.entities import (
    BatchEndpoint,
    CodeConfiguration,
    Data,
    Environment,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
)
from azure.core import exceptions as core

from tests.deploy import bundles
from tridock.deploy import strategies
from tridock.deploy.azure import CLOUD
from tridock.deploy.azure.batch import Batch
from tridock.deploy.azure.bundles import Bundles
from tridock.deploy.azure.errors import refused, translated
from tridock.deploy.azure.scoring import Scoring
from tridock.deploy.azure.target import AzureTarget
from tridock.deploy.config.account import enter
from tridock.deploy.rollout import endpoint_changes
from tridock.deploy.target.errors import (
    BusyError,
    ConflictError,
    CredentialsError,
    InvokeError,
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    TargetError,
    UnavailableError,
)
from tridock.deploy.target.records import Release, deployment_name
from tridock.deploy.waiting import wait
from tridock.inference.bundle.bundle import Bundle

BATCH = "def init(): pass\ndef run(files): return [open(file).read() for file in files]\n"
REQUEST = b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
ENDPOINT = "azure-own"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureTarget]:
    state = tmp_path_factory.mktemp("azure")
    before = dict(os.environ)
    emulators = [sys.executable, "-m", "tridock.emulators"]
    place = ["azure", "--state", str(state)]
    subprocess.run([*emulators, "up", *place, "--speed", "600"], check=True)
    settings = {name: one.default for name, one in CLOUD.settings.items()}
    settings["collect"] = "100"
    target = AzureTarget.connect(enter("azure", CLOUD, settings, state))
    yield target
    target.account.close()
    subprocess.run([*emulators, "down", *place], check=True)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def pair(target: AzureTarget, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Bring up an old deployment with all traffic and a new one; return their names."""
    folder = tmp_path_factory.mktemp("bundles")
    return deployed(target, folder, "1"), deployed(target, folder, "2")


def deployed(target: AzureTarget, folder: Path, version: str) -> str:
    bundle = bundles.good(folder / version, version)
    release = wanted(bundle, target.upload(bundle))
    target.deploy(release)
    wait.until_ready(target, ENDPOINT, release.name, wait.Deadline.after(300))
    return release.name


def wanted(bundle: Bundle, artifact: str) -> Release:
    return Release(
        ENDPOINT,
        deployment_name(bundle.version, bundle.digest),
        artifact,
        image="kit.azurecr.io/kit:1",
        bundle=bundle.name,
        version=bundle.version,
        digest=bundle.digest,
    )


@dataclass
class Load:
    """Requests without a pause, counted by status and by who answered."""

    url: str
    key: str
    seen: Counter[tuple[int, str]] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with httpx.Client(timeout=600) as client:
            while not self.stop.is_set():
                headers = {"Authorization": f"Bearer {self.key}"}
                answer = client.post(self.url, content=REQUEST, headers=headers)
                self.seen[answer.status_code, answer.headers["azureml-model-deployment"]] += 1
                time.sleep(0.01)


@pytest.fixture
def load(target: AzureTarget, pair: tuple[str, str]) -> Iterator[Load]:
    address = target.scoring.address(ENDPOINT)
    load = Load(address.url, address.key)
    thread = threading.Thread(target=load.run)
    thread.start()
    yield load
    load.stop.set()
    thread.join()


def test_a_canary_loses_no_request(target: AzureTarget, pair: tuple[str, str], load: Load) -> None:
    old, new = pair
    for move in strategies.moves({old: 100}, new, strategies.steps_of(strategies.Strategy())):
        endpoint_changes.shift(target, ENDPOINT, move.split, wait.Deadline.after(900))
        time.sleep(0.5)
    endpoint_changes.shift(target, ENDPOINT, {old: 100}, wait.Deadline.after(900))
    load.stop.set()
    assert {status for status, _ in load.seen} == {200}
    assert {name for _, name in load.seen} == {old, new}


def test_mirrored_requests_reach_the_new_deployment_and_the_old_one_answers(
    target: AzureTarget, pair: tuple[str, str], load: Load
) -> None:
    old, new = pair
    before = asked(target, new)
    target.shadow(ENDPOINT, new, 40)
    deadline = time.monotonic() + 300
    while asked(target, new) < before + 5:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with pytest.raises(ConflictError, match="mirrored"):
        target.undeploy(ENDPOINT, new)
    wait.until_settled(target, ENDPOINT, wait.Deadline.after(900))
    target.shadow(ENDPOINT, new, 0)
    wait.until_settled(target, ENDPOINT, wait.Deadline.after(900))
    load.stop.set()
    assert set(load.seen) == {(200, old)}


def _ask(target: AzureTarget, pair: tuple[str, str]) -> None:
    for _ in range(6):
        target.invoke(ENDPOINT, REQUEST)
        for name in pair:
            target.invoke(ENDPOINT, REQUEST, deployment=name)
    with pytest.raises(InvokeError):
        target.invoke(ENDPOINT, b'{"instances": [[1]]}')


def _live(target: AzureTarget, names: tuple[str, str], since: datetime) -> list[int]:
    found = [target.metrics(ENDPOINT, name, since) for name in names]
    return [each.requests if each else -1 for each in found]


def test_live_requests_are_measured_without_those_that_we_sent_by_name(
    target: AzureTarget, pair: tuple[str, str]
) -> None:
    old, new = pair
    for _ in range(10):  # a late copy of an earlier request spoils a count
        time.sleep(0.2)  # a minute is a tenth of a second here
        since = datetime.now(UTC)
        time.sleep(0.2)
        _ask(target, pair)
        time.sleep(1)
        if _live(target, pair, since) == [7, 0]:
            break
    assert _live(target, pair, since) == [7, 0]
    found = target.metrics(ENDPOINT, old, since)
    assert found
    assert found.errors == 0
    assert found.latency_p95_ms
    stranger = AzureTarget(target.account, target.store, Scoring(target.account))
    told = stranger.metrics(ENDPOINT, new, since)
    assert told
    assert told.requests == 6
    assert target.metrics(ENDPOINT, "ghost", since) is None


def test_copies_are_measured_of_who_got_them(
    target: AzureTarget, pair: tuple[str, str], load: Load
) -> None:
    _, new = pair
    target.shadow(ENDPOINT, new, 50)
    wait.until_settled(target, ENDPOINT, wait.Deadline.after(900))
    since, deadline = datetime.now(UTC), time.monotonic() + 300
    while not ((found := target.metrics(ENDPOINT, new, since)) and found.requests > 5):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert found.errors == 0
    assert found.latency_p95_ms
    target.shadow(ENDPOINT, new, 0)
    wait.until_settled(target, ENDPOINT, wait.Deadline.after(900))


def test_collected_answers_bear_the_id_that_the_client_was_told(
    target: AzureTarget, pair: tuple[str, str]
) -> None:
    since = datetime.now(UTC)
    address = target.scoring.address(ENDPOINT)
    headers = {"Authorization": f"Bearer {address.key}"}
    good, bad = (
        target.account.http.post(address.url, content=body, headers=headers)
        for body in (REQUEST, b"{}")
    )
    found = {one.request: one for one in target.answers(ENDPOINT, pair[0], since)}
    assert found[good.headers["x-request-id"]].predictions == ("setosa",)
    assert found[good.headers["x-request-id"]].milliseconds is None
    assert bad.headers["x-request-id"] not in found


def asked(target: AzureTarget, deployment: str) -> int:
    lines = target.logs(ENDPOINT, deployment, lines=10_000)
    return sum('"route":"/score"' in line for line in lines)


def test_a_rotated_key_is_fetched_anew(target: AzureTarget, pair: tuple[str, str]) -> None:
    before = target.scoring.address(ENDPOINT)
    stranger = AzureTarget(target.account, target.store, target.scoring)
    target.rotate(ENDPOINT, which="primary")
    wait.until_settled(target, ENDPOINT, wait.Deadline.after(900))
    stranger.scoring.known[ENDPOINT] = before  # one that has not heard of it
    assert stranger.invoke(ENDPOINT, REQUEST)
    assert target.scoring.address(ENDPOINT).key != before.key


def test_a_deployment_that_is_not_there_is_not_found(
    target: AzureTarget, pair: tuple[str, str]
) -> None:
    with pytest.raises(NotFoundError):
        target.invoke(ENDPOINT, REQUEST, deployment="ghost")


def test_snippets_are_for_this_workspace_and_address(
    target: AzureTarget, pair: tuple[str, str]
) -> None:
    told = target.snippets(ENDPOINT, REQUEST)
    assert f"https://{ENDPOINT}.eastus.inference.ml.azure.com/score" in told["curl"]
    compile(told["azure-ai-ml"], "snippet", "exec")


def test_a_batch_job_is_started_once_however_often_it_is_asked_for(
    target: AzureTarget, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text(BATCH)
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "a.txt").write_text("1")
    client = target.account.client
    client.environments.create_or_update(Environment(name="py", version="1", image="any:1"))
    client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="jobs-own")).result()
    client.batch_deployments.begin_create_or_update(
        ModelBatchDeployment(
            name="one",
            endpoint_name="jobs-own",
            environment="azureml:py:1",
            compute="cluster",
            code_configuration=CodeConfiguration(str(tmp_path / "code"), "score.py"),
            settings=ModelBatchDeploymentSettings(mini_batch_size=1, error_threshold=0),
        )
    ).result()
    data = client.data.create_or_update(
        Data(name="rows", version="1", path=str(tmp_path / "input"), type="uri_folder")
    )
    batch = Batch(target.account)
    with pytest.raises(TargetError, match="no default deployment"):
        batch.start("jobs-own", str(data.path))
    jobs = {batch.start("jobs-own", str(data.path), deployment="one", request="r") for _ in "ab"}
    (job,) = jobs
    wait.until(
        lambda: batch.state(job) == "Completed", wait.Deadline.after(60), goal="the job is done"
    )
    client.batch_endpoints.begin_delete("jobs-own").result()
    target.account.call("DELETE", "/environments/py/versions/1")


def test_deleting_leaves_no_model_environment_or_blob(
    target: AzureTarget, pair: tuple[str, str]
) -> None:
    kept = "azureml://datastores/workspaceblobstore/paths/modelDataCollector"
    neighbour = Data(name=f"{ENDPOINT}-2-v1-response", path=f"{kept}/{ENDPOINT}-2/v1/response")
    neighbour.version = "1"
    target.account.client.data.create_or_update(neighbour)
    endpoint_changes.remove(target, ENDPOINT, wait.Deadline.after(900))
    data = [one["name"] for one in target.account.call("GET", "/data")["value"]]
    assert [name for name in data if name.startswith(ENDPOINT)] == [neighbour.name]
    for kind in ("models", "environments", "onlineEndpoints"):
        assert target.account.call("GET", f"/{kind}") == {"value": []}
    store = "/datastores/workspaceblobstore"
    secrets = target.account.call("POST", f"{store}/listSecrets", {})
    url = "https://tridockstorage.blob.core.windows.net/azureml-blobstore-1"
    listed = httpx.get(f"{url}?restype=container&comp=list&{secrets['sasToken']}")
    assert "model.joblib" not in listed.text


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "", CredentialsError),
        (403, "AuthorizationFailed", PermissionDeniedError),
        (404, "ResourceNotFound", NotFoundError),
        (409, "Conflict", ConflictError),
        (409, "ContainerAppOperationInProgress", BusyError),
        (400, "OutOfQuota", QuotaError),
        (400, "UserError", TargetError),
        (429, "TooManyRequests", UnavailableError),
        (503, "ServerBusy", UnavailableError),
    ],
)
def test_a_refusal_becomes_the_error_that_it_means(
    status: int, code: str, kind: type[TargetError]
) -> None:
    error = refused(status, "no", operation="x:y", code=code, headers={"Retry-After": "7"})
    assert type(error) is kind
    assert (error.operation, error.code) == ("x:y", code)
    if isinstance(error, UnavailableError):
        assert error.retry_after == 7.0


@pytest.mark.parametrize(
    "said",
    [
        "Endpoint 'iris' has an operation in progress: wait until its state is Succeeded.",
        "Endpoint 'iris' is in state Deleting: wait until it is Succeeded.",
        "The container group 'iris' is still transitioning, please retry later.",
        "Already running method Create: another request is in progress.",
    ],
)
@pytest.mark.parametrize("status", [400, 409])
def test_a_change_under_way_is_no_refusal_for_good(status: int, said: str) -> None:
    error = refused(status, said, operation="x:y", code="Conflict", headers={"Retry-After": "7"})
    assert type(error) is BusyError
    assert (error.retry_after, error.exit_code) == (7.0, 5)


def test_a_bundle_whose_upload_or_removal_was_cut_short_is_made_whole(
    target: AzureTarget, tmp_path: Path
) -> None:
    bundle = bundles.good(tmp_path / "7", "7")
    folder = f"tridock/models/{bundle.digest}/model"
    own = Bundles(target.account)
    with own.container("blobs:upload") as container:
        container.upload_blob(f"{folder}/model.joblib", b"half of it")
    target.upload(bundle)
    with own.container("blobs:list") as container:
        stored = {
            name.removeprefix(f"{folder}/"): container.download_blob(name).readall()
            for name in container.list_blob_names(name_starts_with=folder)
        }
        assert stored == {path.name: path.read_bytes() for path in bundle.path.iterdir()}
        container.delete_blob(f"{folder}/manifest.json")
        container.delete_blob(f"{folder}/model.joblib")
    target.upload(bundle)  # the model stands, and is whole again
    with own.container("blobs:list") as container:
        assert len(list(container.list_blob_names(name_starts_with=folder))) == len(stored)
    target.store.mark(target.upload(bundle), "nobody")
    target.store.release("nobody", ())
    with own.container("blobs:list") as container:
        assert not list(container.list_blob_names(name_starts_with=folder))


def test_the_finest_hint_to_wait_is_kept() -> None:
    headers = {"Retry-After": "1", "x-ms-retry-after-ms": "250"}
    error = refused(429, "slower", operation="x:y", headers=headers)
    assert isinstance(error, UnavailableError)
    assert error.retry_after == 0.25


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (core.ClientAuthenticationError("who are you"), CredentialsError),
        (core.ServiceRequestError("no route"), UnavailableError),
        (core.AzureError("odd"), TargetError),
        (httpx.ConnectError("refused"), UnavailableError),
    ],
)
def test_an_sdks_error_becomes_ours(raised: Exception, kind: type[TargetError]) -> None:
    with pytest.raises(kind) as caught, translated("x:y"):
        raise raised
    assert caught.value.operation == "x:y"
