"""Replicas that follow requests, and Cloud Run's scaling to zero, at ten minutes a second."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.emulators.gcp.conftest import IMAGE, PARENT, ROW, Api, Served, identity

REQUESTS = "aiplatform.googleapis.com/prediction/online/request_count"
MACHINE = {"machineType": "n1-standard-2"}


def eventually(look: Callable[[], Any], wanted: Any) -> None:
    """Look until what is seen is what is wanted."""
    deadline = time.monotonic() + 300
    while (seen := look()) != wanted:
        assert time.monotonic() < deadline, f"last seen: {seen!r}"
        time.sleep(0.05)


def mutated(api: Api, served: Served, resources: dict[str, Any]) -> None:
    """Change the replicas of the shared model."""
    told = {"id": served.deployed, "dedicatedResources": {"machineSpec": MACHINE, **resources}}
    body = {"deployedModel": told, "updateMask": "dedicatedResources"}
    operation = api.done(api.call("POST", f"/v1/{served.endpoint}:mutateDeployedModel", body))
    assert "error" not in operation


def replicas(api: Api, served: Served) -> int:
    found = api.call("GET", f"/v1/{served.endpoint}")["deployedModels"][0]
    return int(found["status"]["availableReplicaCount"])


def test_replicas_follow_the_requests_out_and_in(api: Api, served: Served) -> None:
    followed = {"metricName": REQUESTS, "target": 1}
    bounds = {"minReplicaCount": 1, "maxReplicaCount": 3}
    mutated(api, served, {**bounds, "autoscalingMetricSpecs": [followed]})
    assert replicas(api, served) == 1
    for _ in range(20):
        api.call("POST", f"/v1/{served.endpoint}:predict", {"instances": [ROW]})
    eventually(lambda: replicas(api, served) > 1, True)
    eventually(lambda: replicas(api, served), 1)
    mutated(api, served, {"minReplicaCount": 2, "maxReplicaCount": 2})
    eventually(lambda: replicas(api, served), 2)
    mutated(api, served, {"minReplicaCount": 1, "maxReplicaCount": 1})


def test_an_unknown_metric_is_refused(api: Api, served: Served) -> None:
    spec = {"metricName": "aiplatform.googleapis.com/prediction/online/luck", "target": 1}
    resources = {"machineSpec": MACHINE, "minReplicaCount": 1, "autoscalingMetricSpecs": [spec]}
    told = {"id": served.deployed, "dedicatedResources": resources}
    body = {"deployedModel": told, "updateMask": "dedicatedResources"}
    status, answer = api.ask("POST", f"/v1/{served.endpoint}:mutateDeployedModel", body)
    assert status == 400
    assert "not a supported metric" in answer["error"]["message"]


@pytest.mark.parametrize("least", [0, 1])
def test_an_idle_revision_ends_unless_a_minimum_keeps_it_and_the_next_request_wakes_it(
    api: Api, served: Served, variables: Mapping[str, str], least: int
) -> None:
    name = f"zero-{least}"
    mounted = {"bucket": "kit-shared", "readOnly": True, "mountOptions": ["only-dir=model"]}
    container = {
        "image": IMAGE,
        "startupProbe": {"httpGet": {"path": "/readyz"}},
        "volumeMounts": [{"name": "model", "mountPath": "/opt/ml/model"}],
    }
    template = {
        "containers": [container],
        "volumes": [{"name": "model", "gcs": mounted}],
        "scaling": {"minInstanceCount": least, "maxInstanceCount": 2},
    }
    before = pids(api)
    made = api.call("POST", f"/v2/{PARENT}/services?serviceId={name}", {"template": template})
    uri = api.done(made)["response"]["uri"]
    (started,) = pids(api) - before
    if least:
        time.sleep(5)
        assert started in pids(api)
    else:
        eventually(lambda: started in pids(api), False)
    headers = {
        "Host": uri.removeprefix("https://"),
        "Authorization": f"Bearer {identity(variables, uri)}",
    }
    answer = api.session.get(f"{api.url}/readyz", headers=headers, timeout=600)
    assert answer.status_code == 200
    assert (started in pids(api)) is bool(least)
    assert len(pids(api) - before) == 1
    api.done(api.call("DELETE", f"/v2/{PARENT}/services/{name}"))


def pids(api: Api) -> set[int]:
    """Return the model servers that run."""
    told = json.loads(api.session.get(f"{api.url}/_emulator/servers").content)["servers"]
    return {each["pid"] for each in told if each["exit_code"] is None}
