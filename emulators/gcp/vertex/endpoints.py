"""EndpointService: endpoints, and the traffic among what is deployed on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from tridock.emulators.gcp.core.cloud import Cloud, Handler
from tridock.emulators.gcp.core.operations import EMPTY, Kind, Progress
from tridock.emulators.gcp.protocol import limits, listing, masks
from tridock.emulators.gcp.protocol.errors import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
)
from tridock.emulators.gcp.protocol.names import Record, canonical, location_of, new_id, now, touch
from tridock.emulators.gcp.vertex.models import DELETING, V1

CREATE_SECONDS = 10.0
_CREATING = Kind(f"{V1}.CreateEndpointOperationMetadata")
_UPDATING = Kind(f"{V1}.UpdateEndpointOperationMetadata")
_ENDPOINT = f"type.googleapis.com/{V1}.Endpoint"
_OUTPUT = ("deployedModels", "createTime", "updateTime", "etag", "dedicatedEndpointDns", "name")
_CHANGEABLE = (
    "displayName",
    "description",
    "labels",
    "trafficSplit",
    "predictRequestResponseLoggingConfig",
)


def create(cloud: Cloud, request: Record) -> Record:
    """``CreateEndpoint``."""
    endpoint = {key: value for key, value in request["endpoint"].items() if key not in _OUTPUT}
    _check(endpoint)
    if endpoint.pop("trafficSplit", None):
        raise InvalidArgumentError("endpoint.traffic_split must be empty: nothing is deployed yet.")
    key = request.get("endpointId") or new_id()
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", key):
        raise InvalidArgumentError(f"Endpoint id '{key}' is not valid.")
    name = f"{canonical(request['parent'])}/endpoints/{key}"
    _refuse_known(cloud, name)
    return cloud.operations.begin(name, _CREATING, "endpoints.create", endpoint | {"name": name})


def _create(cloud: Cloud, progress: Progress, endpoint: Record) -> None:
    progress.wait(CREATE_SECONDS)
    progress.finish(partial(_add, cloud, endpoint))


def _add(cloud: Cloud, endpoint: Record) -> Record:
    name = endpoint["name"]
    _refuse_known(cloud, name)
    made = endpoint | {"createTime": now()}
    if endpoint.get("dedicatedEndpointEnabled"):
        made["dedicatedEndpointDns"] = _dns(name)
    cloud.endpoints[name] = touch(made)
    # The real operation's result lacks these three, and clients must ask again.
    bare = {k: v for k, v in made.items() if k not in ("createTime", "updateTime", "etag")}
    return {"@type": _ENDPOINT} | bare


def _refuse_known(cloud: Cloud, name: str) -> None:
    if name in cloud.endpoints:
        raise AlreadyExistsError(f"Endpoint {name} already exists.")


def get(cloud: Cloud, request: Record) -> Record:
    """``GetEndpoint``."""
    return find(cloud, request["name"])


def list_(cloud: Cloud, request: Record) -> Record:
    """``ListEndpoints``: newest first."""
    parent = canonical(request["parent"])
    endpoints = [e for n, e in cloud.endpoints.items() if n.startswith(f"{parent}/endpoints/")]
    return dict(listing.answer("endpoints", reversed(endpoints), request))


def update(cloud: Cloud, request: Record) -> Record:
    """``UpdateEndpoint``: change the masked fields; traffic moves at once."""
    return _change(cloud, request["endpoint"], request.get("updateMask", ""))


def update_long(cloud: Cloud, request: Record) -> Record:
    """``UpdateEndpointLongRunning``: the same, as an operation."""
    name = find(cloud, request["endpoint"]["name"])["name"]
    return cloud.operations.begin(name, _UPDATING, "endpoints.update", request["endpoint"])


def _update(cloud: Cloud, progress: Progress, sent: Record) -> None:
    progress.wait(CREATE_SECONDS)
    progress.finish(lambda: {"@type": _ENDPOINT} | _change(cloud, sent, ""))


def delete(cloud: Cloud, request: Record) -> Record:
    """``DeleteEndpoint``: refused while anything is deployed; done in the first answer."""
    with cloud.lock:
        endpoint = find(cloud, request["name"])
        if endpoint.get("deployedModels"):
            raise FailedPreconditionError(
                f"Endpoint {endpoint['name']} has deployed or being-deployed DeployedModel(s): "
                "undeploy them first."
            )
        del cloud.endpoints[endpoint["name"]]
    return cloud.operations.finished(location_of(endpoint["name"]), DELETING, EMPTY)


def find(cloud: Cloud, name: str) -> Record:
    """Return an endpoint.

    Raises
    ------
    NotFoundError
        If there is none of that name.
    """
    endpoint = cloud.endpoints.get(canonical(name))
    if endpoint is None:
        raise NotFoundError(f'endpoint "{canonical(name)}" not found')
    return endpoint


def split_traffic(endpoint: Record, split: Mapping[str, int]) -> None:
    """Give an endpoint a checked traffic split."""
    if any(split.values()):
        endpoint["trafficSplit"] = dict(split)
    else:
        endpoint.pop("trafficSplit", None)


def _change(cloud: Cloud, sent: Record, mask: str) -> Record:
    _check(sent)
    with cloud.lock:
        endpoint = find(cloud, sent["name"])
        if sent.get("etag", endpoint["etag"]) != endpoint["etag"]:
            raise AbortedError(f"Endpoint {endpoint['name']} was changed: its etag is another.")
        changed = masks.merge(endpoint, sent, mask=mask, allowed=_CHANGEABLE)
        if changed.get("trafficSplit") != endpoint.get("trafficSplit"):
            split = changed.get("trafficSplit", {})
            limits.check_split(split, [item["id"] for item in changed.get("deployedModels", [])])
            split_traffic(changed, split)
        endpoint.clear()
        endpoint.update(touch(changed))
        return endpoint


def _check(endpoint: Record) -> None:
    limits.check_labels(endpoint, "endpoint")
    limits.check_display_name(endpoint, "endpoint")
    rate = endpoint.get("predictRequestResponseLoggingConfig", {}).get("samplingRate", 1)
    if not 0 < rate <= 1:
        raise InvalidArgumentError(
            "List of found errors:\t1.Field: "
            "endpoint.predict_request_response_logging_config.sampling_rate; "
            "Message: Must be in the range (0, 1].\t"
        )


def _dns(name: str) -> str:
    _, project, _, location, _, key = name.split("/")
    return f"{key}.{location}-{project}.prediction.vertexai.goog"


HANDLERS: Mapping[str, Handler] = {
    "EndpointService.CreateEndpoint": create,
    "EndpointService.GetEndpoint": get,
    "EndpointService.ListEndpoints": list_,
    "EndpointService.UpdateEndpoint": update,
    "EndpointService.UpdateEndpointLongRunning": update_long,
    "EndpointService.DeleteEndpoint": delete,
}

WORKS = {"endpoints.create": _create, "endpoints.update": _update}
