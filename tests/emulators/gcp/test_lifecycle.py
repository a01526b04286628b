"""Models, endpoints and operations through their states."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.emulators.gcp.conftest import IMAGE, PARENT, ROW, Api, Served
from tridock.inference.bundle.bundle import Bundle


def test_an_operation_is_not_done_at_first_and_tells_its_stages(
    api: Api, bundle: Bundle, served: Served
) -> None:
    endpoint = api.endpoint("stages")
    resources = {"machineSpec": {"machineType": "n1-standard-2"}, "minReplicaCount": 1}
    body = {"deployedModel": {"model": served.model, "dedicatedResources": resources}}
    operation = api.call("POST", f"/v1/{endpoint}:deployModel", body)
    assert "done" not in operation
    stages = []
    while not operation.get("done"):
        stages.append(operation["metadata"].get("deploymentStage"))
        time.sleep(0.01)
        operation = api.call("GET", f"/v1/{operation['name']}")
    assert "STARTING_MODEL_SERVER" in stages
    assert operation["metadata"]["deploymentStage"] == "SUCCESSFULLY_DEPLOYED"
    assert operation["metadata"]["genericMetadata"]["createTime"]
    key = operation["response"]["deployedModel"]["id"]
    refused, record = api.ask("POST", f"/v1/{endpoint}:predict", {"instances": [ROW]})
    assert (refused, record["error"]["status"]) == (400, "FAILED_PRECONDITION")
    api.done(api.call("POST", f"/v1/{endpoint}:undeployModel", {"deployedModelId": key}))
    assert api.call("DELETE", f"/v1/{endpoint}")["done"]


def test_names_carry_the_projects_number_whatever_the_caller_wrote(
    api: Api, served: Served
) -> None:
    number = served.endpoint.split("/")[1]
    assert number.isdecimal()
    by_id = api.call("GET", f"/v1/{PARENT}/endpoints/shared")
    assert by_id == api.call("GET", f"/v1/{served.endpoint}")


def test_a_model_that_cannot_start_fails_with_its_last_words(api: Api, served: Served) -> None:
    uri = api.store("kit-broken", "model/manifest.json", b"{}")
    model = api.model("broken", uri.removesuffix("/manifest.json"))
    operation = api.deploy(served.endpoint, model, {"0": 0, served.deployed: 100})
    assert operation["error"]["code"] == 9
    assert "Model server exited unexpectedly" in operation["error"]["message"]
    assert "manifest.json" in operation["error"]["message"]
    listed = api.call("GET", f"/v1/{served.endpoint}")["deployedModels"]
    assert [each["id"] for each in listed] == [served.deployed]
    wanted = 'resource.type="aiplatform.googleapis.com/Endpoint" AND '
    wanted += 'jsonPayload.message:"manifest.json"'
    asked = {"resourceNames": ["projects/kit"], "filter": wanted}
    entries = api.call("POST", "/v2/entries:list", asked)["entries"]
    assert entries[0]["resource"]["labels"]["endpoint_id"] == "shared"
    api.call("DELETE", f"/v1/{model}")


def test_the_artifact_is_copied_at_upload(api: Api, bundle: Bundle) -> None:
    model = api.model("copied", api.store_bundle("kit-copied", bundle.path))
    api.store("kit-copied", "model/manifest.json", b"changed")
    endpoint = api.endpoint("copied")
    api.deploy(endpoint, model, {"0": 100})
    answer = api.call("POST", f"/v1/{endpoint}:predict", {"instances": [ROW]})
    assert answer["predictions"] == ["setosa"]
    key = api.call("GET", f"/v1/{endpoint}")["deployedModels"][0]["id"]
    api.done(api.call("POST", f"/v1/{endpoint}:undeployModel", {"deployedModelId": key}))
    api.call("DELETE", f"/v1/{endpoint}")
    api.call("DELETE", f"/v1/{model}")


def test_an_upload_without_files_fails(api: Api) -> None:
    spec = {"imageUri": IMAGE}
    model = {"displayName": "x", "artifactUri": "gs://nowhere/x", "containerSpec": spec}
    operation = api.done(api.call("POST", f"/v1/{PARENT}/models:upload", {"model": model}))
    assert "no files under the artifact URI gs://nowhere/x" in operation["error"]["message"]


def test_only_masked_fields_change_and_an_old_etag_is_refused(api: Api) -> None:
    endpoint = api.endpoint("masks", labels={"a": "1"})
    old = api.call("GET", f"/v1/{endpoint}")
    sent = {"displayName": "new", "labels": {"b": "2"}, "etag": old["etag"]}
    changed = api.call("PATCH", f"/v1/{endpoint}?updateMask=displayName", sent)
    assert (changed["displayName"], changed["labels"]) == ("new", {"a": "1"})
    status, record = api.ask("PATCH", f"/v1/{endpoint}?updateMask=displayName", sent)
    assert (status, record["error"]["status"]) == (409, "ABORTED")
    status, record = api.ask("PATCH", f"/v1/{endpoint}?updateMask=deployedModels", {})
    assert "Update mask field is not supported: deployedModels" in record["error"]["message"]
    api.call("DELETE", f"/v1/{endpoint}")


def test_lists_are_filtered_and_come_in_pages(api: Api) -> None:
    made = [api.endpoint(f"page-{n}", labels={"kit": "pages", "n": str(n)}) for n in range(3)]
    found, token = [], ""
    while True:
        query = f"filter=labels.kit=pages&pageSize=2&pageToken={token}"
        page = api.call("GET", f"/v1/{PARENT}/endpoints?{query}")
        found += [each["name"] for each in page["endpoints"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert sorted(found) == sorted(made)
    one = api.call("GET", f"/v1/{PARENT}/endpoints?filter=labels.kit=pages AND labels.n=1")
    assert [each["name"] for each in one["endpoints"]] == [made[1]]
    status, _ = api.ask("GET", f"/v1/{PARENT}/endpoints?filter=what?")
    assert status == 400
    for name in made:
        api.call("DELETE", f"/v1/{name}")


@pytest.mark.parametrize(
    ("kind", "status"), [("throttle", 429), ("500", 500), ("503", 503)], ids=str
)
def test_faults_come_when_they_are_asked_for(
    api: Api, served: Served, kind: str, status: int
) -> None:
    plan = {"faults": [{"operation": "Predict", "kind": kind, "nth": 2}]}
    api.call("PUT", "/_emulator/faults", plan)
    path, body = f"/v1/{served.endpoint}:predict", {"instances": [ROW]}
    codes = [api.ask("POST", path, body)[0] for _ in range(3)]
    api.call("PUT", "/_emulator/faults", {"faults": []})
    assert codes == [200, status, 200]


def test_a_model_server_that_dies_is_started_again(api: Api, served: Served) -> None:
    servers = api.call("GET", "/_emulator/servers")["servers"]
    before = {each["pid"] for each in servers}
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    path, body = f"/v1/{served.endpoint}:predict", {"instances": [ROW]}
    deadline = time.monotonic() + 300
    status, record = api.ask("POST", path, body)
    assert (status, record["error"]["status"]) == (503, "UNAVAILABLE")
    while status == 503 and time.monotonic() < deadline:
        time.sleep(0.1)
        status, record = api.ask("POST", path, body)
    assert record["predictions"] == ["setosa"]
    after = {each["pid"] for each in api.call("GET", "/_emulator/servers")["servers"]}
    assert not before & after


def test_batch_rows_are_named_by_their_key(api: Api, served: Served) -> None:
    fields = dict(zip(("x0", "x1", "x2", "x3"), ROW, strict=True))
    lines = "\n".join(json.dumps({"id": n, **fields}) for n in range(3))
    source = api.store("kit-batch", "in/rows.jsonl", f"{lines}\n[1, 2]\n".encode())
    job = api.call(
        "POST",
        f"/v1/{PARENT}/batchPredictionJobs",
        {
            "displayName": "keys",
            "model": served.model,
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [source]}},
            "outputConfig": {
                "predictionsFormat": "jsonl",
                "gcsDestination": {"outputUriPrefix": "gs://kit-batch/out"},
            },
            "instanceConfig": {"keyField": "id", "instanceType": "array"},
            "dedicatedResources": {
                "machineSpec": {"machineType": "n1-standard-2"},
                "startingReplicaCount": 2,
            },
        },
    )
    while job["state"] not in ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED"):
        time.sleep(0.1)
        job = api.call("GET", f"/v1/{job['name']}")
    assert job["completionStats"] == {"successfulCount": "3", "failedCount": "1"}
    folder = job["outputInfo"]["gcsOutputDirectory"].removeprefix("gs://kit-batch/")
    found = api.call("GET", f"/storage/v1/b/kit-batch/o?prefix={folder}")["items"]
    assert len(found) == 4
    texts = [api.session.get(_local(api, each["mediaLink"]), timeout=600).text for each in found]
    rows = [json.loads(line) for text in texts for line in text.splitlines()]
    assert sorted(row["key"] for row in rows if "prediction" in row) == [0, 1, 2]
    assert [row["error"]["message"] for row in rows if "error" in row] == [
        "The row is not an object: its fields cannot be chosen."
    ]


def _local(api: Api, link: str) -> str:
    return link.replace("https://storage.googleapis.com", api.url)
