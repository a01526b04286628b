"""EndpointService: models put on endpoints, changed there, and taken off."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tridock.emulators.gcp.core.cloud import Cloud, Handler
from tridock.emulators.gcp.core.logs import Source
from tridock.emulators.gcp.core.operations import Kind, Progress
from tridock.emulators.gcp.core.serving import Plan
from tridock.emulators.gcp.protocol import limits, masks
from tridock.emulators.gcp.protocol.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    GcpError,
    InvalidArgumentError,
    NotFoundError,
)
from tridock.emulators.gcp.protocol.names import Record, new_id, now, touch
from tridock.emulators.gcp.vertex import tenant
from tridock.emulators.gcp.vertex.containers import (
    DEPLOYMENT_SECONDS,
    LEAST_REAL_SECONDS,
    container,
)
from tridock.emulators.gcp.vertex.endpoints import find, split_traffic
from tridock.emulators.gcp.vertex.models import V1
from tridock.emulators.gcp.vertex.models import find as find_model

_DEPLOYING = Kind(f"{V1}.DeployModelOperationMetadata")
_UNDEPLOYING = Kind(f"{V1}.UndeployModelOperationMetadata")
_MUTATING = Kind(f"{V1}.MutateDeployedModelOperationMetadata")
_DEPLOY = "deployments.deploy"

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
    wanted = request["deployedModel"]
    limits.check_resources(wanted)
    model = find_model(cloud, wanted["model"])
    key = wanted.get("id") or new_id()
    known = [item["id"] for item in endpoint.get("deployedModels", [])]
    if key in (*known, *_coming(cloud, endpoint["name"])):
        raise AlreadyExistsError(f"DeployedModel {key} already exists on {endpoint['name']}.")
    if not re.fullmatch(r"\d{1,10}", wanted.get("id", "0")):
        raise InvalidArgumentError(f"DeployedModel id '{key}' is not valid.")
    limits.check_split(request.get("trafficSplit", {}), ["0", *known])
    deployed = wanted | {
        "id": key,
        "model": model["name"],
        "modelVersionId": model["versionId"],
        "displayName": wanted.get("displayName", model["displayName"]),
    }
    arguments = {"endpoint": endpoint["name"], "deployed": deployed}
    arguments["split"] = request.get("trafficSplit", {})
    return cloud.operations.begin(endpoint["name"], _DEPLOYING, _DEPLOY, arguments)


def _deploy(cloud: Cloud, progress: Progress, arguments: Record) -> None:
    deployed = arguments["deployed"]
    with ExitStack() as failure:
        failure.callback(tenant.take_back, cloud, deployed["id"])
        failure.callback(cloud.servings.stop, deployed["id"])
        _start(cloud, arguments["endpoint"], deployed, progress)
        apply = partial(_add, cloud, arguments)
        progress.finish(apply, deploymentStage="SUCCESSFULLY_DEPLOYED")
        failure.pop_all()


def _coming(cloud: Cloud, endpoint: str) -> list[str]:
    """Return the ids of the models that are coming up behind an endpoint."""
    works = [work["arguments"] for work in cloud.state.works.values() if work["work"] == _DEPLOY]
    return [one["deployed"]["id"] for one in works if one["endpoint"] == endpoint]


def undeploy(cloud: Cloud, request: Record) -> Record:
    """``UndeployModel``: take it off once no traffic goes to it; its server drains and ends."""
    endpoint = find(cloud, request["endpoint"])
    key = request["deployedModelId"]
    _remaining_split(endpoint, key, request.get("trafficSplit"))
    arguments = {"endpoint": endpoint["name"], "key": key, "split": request.get("trafficSplit")}
    return cloud.operations.begin(endpoint["name"], _UNDEPLOYING, "deployments.undeploy", arguments)


def _undeploy(cloud: Cloud, progress: Progress, arguments: Record) -> None:
    key = arguments["key"]
    progress.change(partial(_take_off, cloud, progress.record, arguments))
    cloud.servings.stop(key)
    tenant.take_back(cloud, key)
    progress.wait(UNDEPLOY_SECONDS)
    progress.finish(lambda: {"@type": f"type.googleapis.com/{V1}.UndeployModelResponse"})


def _take_off(cloud: Cloud, operation: Record, arguments: Record) -> None:
    work = cloud.state.works[operation["name"]]
    if work.get("is_off"):
        return  # before the emulator was killed
    key, current = arguments["key"], find(cloud, arguments["endpoint"])
    split = _remaining_split(current, key, arguments["split"])
    current["deployedModels"] = [d for d in current["deployedModels"] if d["id"] != key]
    split_traffic(current, split)
    touch(current)
    work["is_off"] = True


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
    arguments = {"endpoint": endpoint["name"], "changed": changed}
    return cloud.operations.begin(endpoint["name"], _MUTATING, "deployments.mutate", arguments)


def _mutate(cloud: Cloud, progress: Progress, arguments: Record) -> None:
    progress.wait(MUTATE_SECONDS)
    progress.finish(partial(_replace, cloud, arguments))


def _replace(cloud: Cloud, arguments: Record) -> Record:
    changed, current = arguments["changed"], find(cloud, arguments["endpoint"])
    _deployed(current, changed["id"]).update(changed)
    touch(current)
    kind = f"type.googleapis.com/{V1}.MutateDeployedModelResponse"
    return {"@type": kind, "deployedModel": changed}


def _start(cloud: Cloud, endpoint: str, deployed: Record, progress: Progress) -> None:
    for stage, seconds in STAGES:
        progress.wait(seconds, deploymentStage=stage)
    progress.say(deploymentStage="STARTING_MODEL_SERVER")
    try:
        cloud.servings.start(plan(cloud, endpoint, deployed))
    except GcpError:
        progress.say(deploymentStage="FAILED_TO_DEPLOY")
        raise
    progress.wait(FINISH_SECONDS, deploymentStage="FINISHING_UP")


def plan(cloud: Cloud, endpoint: str, deployed: Record) -> Plan:
    """Return what is started for a deployed model of an endpoint."""
    model = find_model(cloud, f"{deployed['model']}@{deployed['modelVersionId']}")
    made = container(deployed, model, endpoint=endpoint, artifacts=cloud.artifacts(model))
    return Plan(
        deployed["id"],
        tenant.lend(cloud, deployed["id"], made),
        made.environment["AIP_PREDICT_ROUTE"],
        max(cloud.clock.real(_patience(model)), LEAST_REAL_SECONDS),
        partial(_log, cloud, endpoint, deployed["id"]),
    )


def _log(cloud: Cloud, endpoint: str, deployed: str, file: Path) -> None:
    _, project, _, location, _, key = endpoint.split("/")
    labels = {"resource_container": project, "location": location, "endpoint_id": key}
    resource = {"type": "aiplatform.googleapis.com/Endpoint", "labels": labels}
    log = "aiplatform.googleapis.com/prediction_container"
    own = {"deployed_model_id": deployed}
    cloud.logs.add(Source(file, log, resource, own, now()))


def _patience(model: Record) -> float:
    given = model["containerSpec"].get("deploymentTimeout", "")
    return float(given.removesuffix("s")) if given else DEPLOYMENT_SECONDS


def _add(cloud: Cloud, arguments: Record) -> Record:
    """Put a deployed model on its endpoint, and return the operation's response."""
    deployed, split = arguments["deployed"], arguments["split"]
    current = find(cloud, arguments["endpoint"])
    known = current.get("deployedModels", [])
    named = {deployed["id"] if key == "0" else key: share for key, share in split.items()}
    limits.check_split(named, [item["id"] for item in (*known, deployed)])
    deployed["createTime"] = now()
    resources = deployed["dedicatedResources"]
    status = {"availableReplicaCount": resources["minReplicaCount"], "lastUpdateTime": now()}
    deployed["status"] = status
    current["deployedModels"] = [*known, deployed]
    if named:
        split_traffic(current, named)
    touch(current)
    kind = f"type.googleapis.com/{V1}.DeployModelResponse"
    return {"@type": kind, "deployedModel": deployed}


def _remaining_split(
    endpoint: Record, key: str, wanted: Mapping[str, int] | None
) -> Mapping[str, int]:
    """Return the traffic split without `key`, or refuse (UndeployModelRequest.traffic_split)."""
    _deployed(endpoint, key)
    others = [item["id"] for item in endpoint["deployedModels"] if item["id"] != key]
    if not others:
        return {}
    if wanted:
        limits.check_split(wanted, others)
        return wanted
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
            deployed: Record = item
            return deployed
    raise NotFoundError(f"DeployedModel {key} is not found on {endpoint['name']}.")


HANDLERS: Mapping[str, Handler] = {
    "EndpointService.DeployModel": deploy,
    "EndpointService.UndeployModel": undeploy,
    "EndpointService.MutateDeployedModel": mutate,
}

WORKS = {
    _DEPLOY: _deploy,
    "deployments.undeploy": _undeploy,
    "deployments.mutate": _mutate,
}
