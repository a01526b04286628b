"""EndpointService: models put on endpoints, changed there, and taken off."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from emulators.gcp import limits, masks, tenant
from emulators.gcp.cloud import Cloud, Handler
from emulators.gcp.containers import DEPLOYMENT_SECONDS, LEAST_REAL_SECONDS, container
from emulators.gcp.endpoints import find, split_traffic
from emulators.gcp.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    GcpError,
    InvalidArgumentError,
    NotFoundError,
)
from emulators.gcp.logs import Source
from emulators.gcp.models import V1, artifacts
from emulators.gcp.models import find as find_model
from emulators.gcp.names import Record, new_id, now, touch
from emulators.gcp.operations import Kind, Progress

_DEPLOYING = Kind(f"{V1}.DeployModelOperationMetadata")
_UNDEPLOYING = Kind(f"{V1}.UndeployModelOperationMetadata")
_MUTATING = Kind(f"{V1}.MutateDeployedModelOperationMetadata")

#: Stages before the model server starts, and what each takes in the service's seconds.
STAGES = (
    ("STARTING_DEPLOYMENT", 5.0),
    ("PREPARING_MODEL", 10.0),
    ("CREATING_SERVING_CLUSTER", 30.0),
    ("ADDING_NODES_TO_CLUSTER", 10.0),
    ("GETTING_CONTAINER_IMAGE", 10.0),
)
FINISH_SECONDS = 5.0
UNDEPLOY_SECONDS = 20.0
MUTATE_SECONDS = 20.0


def deploy(cloud: Cloud, request: Record) -> Record:
    """``DeployModel``: start a real model server, and add it when its health route answers."""
    endpoint = find(cloud, request["endpoint"])
    asked = request["deployedModel"]
    limits.check_resources(asked)
    model = find_model(cloud, asked["model"])
    key = asked.get("id") or new_id()
    known = [item["id"] for item in endpoint.get("deployedModels", [])]
    if key in known or (endpoint["name"], key) in cloud.deploying:
        raise AlreadyExistsError(f"DeployedModel {key} already exists on {endpoint['name']}.")
    if not re.fullmatch(r"\d{1,10}", asked.get("id", "0")):
        raise InvalidArgumentError(f"DeployedModel id '{key}' is not valid.")
    limits.check_split(request.get("trafficSplit", {}), ["0", *known])
    deployed = asked | {
        "id": key,
        "model": model["name"],
        "modelVersionId": model["versionId"],
        "displayName": asked.get("displayName", model["displayName"]),
    }

    def work(progress: Progress) -> Mapping[str, object]:
        try:
            _start(cloud, endpoint["name"], deployed, progress)
            _add(cloud, endpoint["name"], deployed, request.get("trafficSplit", {}))
        finally:
            cloud.deploying.discard((endpoint["name"], key))
        progress.say(deploymentStage="SUCCESSFULLY_DEPLOYED")
        return {
            "@type": f"type.googleapis.com/{V1}.DeployModelResponse",
            "deployedModel": deployed,
        }

    cloud.deploying.add((endpoint["name"], key))
    return cloud.operations.begin(endpoint["name"], _DEPLOYING, work)


def undeploy(cloud: Cloud, request: Record) -> Record:
    """``UndeployModel``: take it off once no traffic goes to it; its server drains and ends."""
    endpoint = find(cloud, request["endpoint"])
    key = request["deployedModelId"]
    _remaining_split(endpoint, key, request.get("trafficSplit"))

    def work(progress: Progress) -> Mapping[str, object]:
        with cloud.lock:
            current = find(cloud, endpoint["name"])
            split = _remaining_split(current, key, request.get("trafficSplit"))
            current["deployedModels"] = [d for d in current["deployedModels"] if d["id"] != key]
            split_traffic(cloud, current, split)
            touch(current)
        cloud.servings.stop(key)
        tenant.take_back(cloud, key)
        progress.wait(UNDEPLOY_SECONDS)
        return {"@type": f"type.googleapis.com/{V1}.UndeployModelResponse"}

    return cloud.operations.begin(endpoint["name"], _UNDEPLOYING, work)


def mutate(cloud: Cloud, request: Record) -> Record:
    """``MutateDeployedModel``: change its replicas or its logging."""
    endpoint = find(cloud, request["endpoint"])
    sent = request["deployedModel"]
    changed = masks.merge(
        _deployed(endpoint, sent["id"]),
        sent,
        mask=request["updateMask"],
        allowed=("dedicatedResources", "disableContainerLogging", "enableAccessLogging"),
    )
    limits.check_resources(changed)

    def work(progress: Progress) -> Mapping[str, object]:
        progress.wait(MUTATE_SECONDS)
        with cloud.lock:
            current = find(cloud, endpoint["name"])
            _deployed(current, sent["id"]).update(changed)
            touch(current)
        return {
            "@type": f"type.googleapis.com/{V1}.MutateDeployedModelResponse",
            "deployedModel": changed,
        }

    return cloud.operations.begin(endpoint["name"], _MUTATING, work)


def _start(cloud: Cloud, endpoint: str, deployed: Record, progress: Progress) -> None:
    for stage, seconds in STAGES:
        progress.wait(seconds, deploymentStage=stage)
    model = find_model(cloud, f"{deployed['model']}@{deployed['modelVersionId']}")
    folder = artifacts(cloud, model["name"]) / model["versionId"]
    made = container(deployed, model, endpoint=endpoint, artifacts=folder)
    made = tenant.lend(cloud, deployed["id"], made)
    progress.say(deploymentStage="STARTING_MODEL_SERVER")
    try:
        cloud.servings.start(
            deployed["id"],
            made,
            predict=made.environment["AIP_PREDICT_ROUTE"],
            timeout=max(cloud.clock.real(_patience(model)), LEAST_REAL_SECONDS),
            announce=partial(_log, cloud, endpoint, deployed["id"]),
        )
    except GcpError:
        tenant.take_back(cloud, deployed["id"])
        progress.say(deploymentStage="FAILED_TO_DEPLOY")
        raise
    progress.wait(FINISH_SECONDS, deploymentStage="FINISHING_UP")


def _log(cloud: Cloud, endpoint: str, deployed: str, file: Path) -> None:
    _, project, _, location, _, key = endpoint.split("/")
    labels = {"resource_container": project, "location": location, "endpoint_id": key}
    resource = {"type": "aiplatform.googleapis.com/Endpoint", "labels": labels}
    log = "aiplatform.googleapis.com/prediction_container"
    own = {"deployed_model_id": deployed}
    cloud.logs.sources.append(Source(file, log, resource, own, now()))


def _patience(model: Record) -> float:
    given = model["containerSpec"].get("deploymentTimeout", "")
    return float(given.removesuffix("s")) if given else DEPLOYMENT_SECONDS


def _add(cloud: Cloud, endpoint: str, deployed: Record, split: Mapping[str, int]) -> None:
    with cloud.lock:
        current = cloud.endpoints.get(endpoint)
        if current is None:
            cloud.servings.stop(deployed["id"])
            raise NotFoundError(f'endpoint "{endpoint}" not found')
        known = current.get("deployedModels", [])
        named = {deployed["id"] if key == "0" else key: share for key, share in split.items()}
        try:
            limits.check_split(named, [item["id"] for item in (*known, deployed)])
        except GcpError:
            cloud.servings.stop(deployed["id"])
            raise
        deployed["createTime"] = now()
        resources = deployed["dedicatedResources"]
        status = {"availableReplicaCount": resources["minReplicaCount"], "lastUpdateTime": now()}
        deployed["status"] = status
        current["deployedModels"] = [*known, deployed]
        if named:
            split_traffic(cloud, current, named)
        touch(current)


def _remaining_split(
    endpoint: Record, key: str, asked: Mapping[str, int] | None
) -> Mapping[str, int]:
    """Return the traffic split without `key`, or refuse (UndeployModelRequest.traffic_split)."""
    _deployed(endpoint, key)
    others = [item["id"] for item in endpoint["deployedModels"] if item["id"] != key]
    if not others:
        return {}
    if asked:
        limits.check_split(asked, others)
        return asked
    current = endpoint.get("trafficSplit", {})
    if current.get(key):
        raise FailedPreconditionError(
            f"DeployedModel {key} still has {current[key]} percent of the traffic of "
            f"{endpoint['name']}: give traffic_split or move the traffic first."
        )
    return {name: share for name, share in current.items() if name != key}


def _deployed(endpoint: Record, key: str) -> Record:
    for item in endpoint.get("deployedModels", []):
        if item["id"] == key:
            found: Record = item
            return found
    raise NotFoundError(f"DeployedModel {key} is not found on {endpoint['name']}.")


HANDLERS: Mapping[str, Handler] = {
    "EndpointService.DeployModel": deploy,
    "EndpointService.UndeployModel": undeploy,
    "EndpointService.MutateDeployedModel": mutate,
}
