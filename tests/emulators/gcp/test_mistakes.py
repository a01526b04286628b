"""Mistakes planted in requests, and what is answered: Google's codes, Google's words."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.emulators.gcp.conftest import IMAGE, PARENT, Api, Served

MODELS = f"/v1/{PARENT}/models:upload"
ENDPOINTS = f"/v1/{PARENT}/endpoints"
MACHINE = {"machineSpec": {"machineType": "n1-standard-2"}, "minReplicaCount": 1}
MODEL: dict[str, Any] = {"displayName": "m", "containerSpec": {"imageUri": IMAGE}}


def deployment(**changed: Any) -> dict[str, Any]:
    return {"deployedModel": {"model": "{model}", "dedicatedResources": MACHINE | changed}}


@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "words"),
    [
        pytest.param(
            *("POST", ENDPOINTS, {"displayName": "x", "colour": "red"}),
            "INVALID_ARGUMENT",
            "Invalid JSON payload received. Unknown name \"colour\" at 'endpoint': "
            "Cannot find field.",
            id="unknown-field",
        ),
        pytest.param(
            *("POST", ENDPOINTS, {"labels": {}}),
            "INVALID_ARGUMENT",
            "1.Field: endpoint.display_name; Message: Required field is not set.",
            id="missing-field",
        ),
        pytest.param(
            *("POST", ENDPOINTS, {"displayName": 7}),
            "INVALID_ARGUMENT",
            "Invalid value at 'endpoint.display_name' (TYPE_STRING), 7",
            id="wrong-type",
        ),
        pytest.param(
            *("POST", ENDPOINTS, {"displayName": ["x"]}),
            "INVALID_ARGUMENT",
            "Unknown name \"display_name\" at 'endpoint': Proto field is not repeating, "
            "cannot start list.",
            id="a-list-where-there-is-none",
        ),
        pytest.param(
            *("POST", ENDPOINTS, {"displayName": "x", "labels": {"digest": "a" * 64}}),
            "INVALID_ARGUMENT",
            "no longer than 63 characters",
            id="label-too-long",
        ),
        pytest.param(
            *("POST", MODELS, {"model": MODEL | {"containerSpec": {"imageUri": "nginx"}}}),
            "INVALID_ARGUMENT",
            "'nginx' is not an image in Artifact Registry",
            id="image-from-elsewhere",
        ),
        pytest.param(
            *("POST", MODELS, {"model": MODEL | {"versionAliases": ["1st"]}}),
            "INVALID_ARGUMENT",
            "Version alias '1st' must match",
            id="alias-of-another-form",
        ),
        pytest.param(
            *("POST", "/v1/{endpoint}:deployModel", deployment(minReplicaCount=0)),
            "INVALID_ARGUMENT",
            "min_replica_count; Message: Must be greater than or equal to 1.",
            id="no-replicas",
        ),
        pytest.param(
            *("POST", "/v1/{endpoint}:deployModel"),
            deployment() | {"trafficSplit": {"0": 50, "{deployed}": 40}},
            "INVALID_ARGUMENT",
            "Traffic percentages must add up to 100",
            id="split-of-90-percent",
        ),
        pytest.param(
            *("POST", "/v1/{endpoint}:undeployModel", {"deployedModelId": "1"}),
            "NOT_FOUND",
            "DeployedModel 1 is not found",
            id="undeploys-what-is-not-there",
        ),
        pytest.param(
            *("DELETE", "/v1/{model}", None),
            "FAILED_PRECONDITION",
            "is deployed or being deployed at the following Endpoint(s)",
            id="deletes-a-deployed-model",
        ),
        pytest.param(
            *("DELETE", "/v1/{endpoint}", None),
            "FAILED_PRECONDITION",
            "has deployed or being-deployed DeployedModel(s)",
            id="deletes-a-serving-endpoint",
        ),
        pytest.param(
            *("POST", "/v1/{endpoint}:predict", {"instances": []}),
            "INVALID_ARGUMENT",
            "1.Field: instances; Message: Required field is not set.",
            id="no-instances",
        ),
        pytest.param(
            *("POST", "/v1/{endpoint}:predict", {"instances": ["x" * 1_500_000]}),
            "INVALID_ARGUMENT",
            "Request payload size exceeds the limit",
            id="more-than-a-shared-endpoint-takes",
        ),
        pytest.param(
            *("POST", "/v1/{endpoint}:explain", {"instances": [1]}),
            "UNIMPLEMENTED",
            "PredictionService.Explain is not emulated.",
            id="a-method-without-a-handler",
        ),
        pytest.param(
            *("POST", f"/v1/{PARENT}/customJobs", {}),
            "UNIMPLEMENTED",
            "JobService.CreateCustomJob is not emulated.",
            id="a-method-of-another-service",
        ),
        pytest.param(
            *("GET", f"/v1/{PARENT}/nothings", None),
            "NOT_FOUND",
            "Method not found",
            id="no-method-at-all",
        ),
        pytest.param(
            *("GET", "/storage/v1/b/kit-shared/acl", None),
            "UNIMPLEMENTED",
            "storage.bucketAccessControls.list is not emulated.",
            id="a-storage-method-without-a-handler",
        ),
    ],
)
def test_a_mistake_is_refused(
    api: Api, served: Served, verb: str, path: str, body: Any, status: str, words: str
) -> None:
    code, record = api.ask(verb, _filled(path, served), _filled(body, served))
    assert record["error"]["status"] == status
    assert record["error"]["code"] == code
    assert words in record["error"]["message"]


def test_broken_json_is_refused(api: Api) -> None:
    answer = api.session.post(f"{api.url}{ENDPOINTS}", data=b'{"displayName": NaN}', timeout=600)
    assert answer.status_code == 400
    assert "Invalid JSON payload received" in answer.json()["error"]["message"]


def test_every_mistake_is_named_at_once(api: Api) -> None:
    _, record = api.ask("POST", ENDPOINTS, {"a": 1, "b": 2, "displayName": 3})
    violations = record["error"]["details"][0]["fieldViolations"]
    assert [each["field"] for each in violations] == [
        "endpoint",
        "endpoint",
        "endpoint.display_name",
    ]


def _filled(value: Any, served: Served) -> Any:
    if isinstance(value, dict):
        return {_filled(k, served): _filled(v, served) for k, v in value.items()}
    if isinstance(value, str) and len(value) < 1000:
        for name in ("endpoint", "model", "deployed"):
            value = value.replace(f"{{{name}}}", getattr(served, name))
    return value


@pytest.mark.parametrize("length", ["abc", "-5", "+4", "1e3", "9" * 20])
def test_a_length_that_is_no_number_is_refused(api: Api, length: str) -> None:
    at = urlsplit(api.url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port or 0, timeout=600)
    connection.putrequest("POST", "/storage/v1/b")
    connection.putheader("Content-Length", length)
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Connection")) == (400, "close")
    assert length in answer.read().decode()
    connection.close()
