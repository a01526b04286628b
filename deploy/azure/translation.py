"""Our records and azure-ai-ml's entities, one into the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from azure.ai.ml.entities import (
    Environment,
    IdentityConfiguration,
    ManagedIdentityConfiguration,
    ManagedOnlineDeployment,
    OnlineRequestSettings,
    ProbeSettings,
)

from tridock.deploy.azure.collected import collector
from tridock.deploy.target.records import Deployment, Endpoint, Release, State

#: Marks what is ours.
TAG = "tridock"

#: Tag of an endpoint whose first deployment has yet to be given the traffic: its name.
FIRST = "tridock-first"

#: Facts of a release that the tags of its deployment hold.
KEPT = ("bundle", "version", "digest", "image", "instance")

STATES = {
    "creating": State.CREATING,
    "updating": State.CREATING,
    "scaling": State.CREATING,
    "succeeded": State.READY,
    "failed": State.FAILED,
    "canceled": State.FAILED,
    "deleting": State.DELETING,
}

#: Where our image answers ("Deploy a custom container", inference_config).
PORT = 8080
ROUTES = {"liveness_route": "/healthz", "readiness_route": "/readyz", "scoring_route": "/score"}

#: Requests that one machine is given at a time, and how long each may take: the model server
#: refuses by itself what would wait too long. The service's defaults are 1 and 5 s.
REQUESTS = OnlineRequestSettings(request_timeout_ms=60_000, max_concurrent_requests_per_instance=64)


def environment(image: str) -> Environment:
    """Return the environment that runs `image` as it is, versioned by what it says."""
    version = hashlib.sha256(f"{image} {PORT} {ROUTES}".encode()).hexdigest()[:12]
    routes = {name: {"port": PORT, "path": path} for name, path in ROUTES.items()}
    return Environment(name=TAG, version=version, image=image, inference_config=routes)


def identity(server: str) -> IdentityConfiguration | None:
    """Return what an endpoint runs as; None for an identity of its own."""
    if not server:
        return None
    named = ManagedIdentityConfiguration(resource_id=server)
    return IdentityConfiguration(type="user_assigned", user_assigned_identities=[named])


def deployment_entity(
    release: Release, environment_name: str, collect: int
) -> ManagedOnlineDeployment:
    """Return the deployment that runs a release and keeps `percent` of its answers."""
    probe = ProbeSettings(initial_delay=5, period=5, timeout=5, failure_threshold=60)
    return ManagedOnlineDeployment(
        name=release.name,
        endpoint_name=release.endpoint,
        model=release.artifact,
        environment=environment_name,
        environment_variables=release.variables,
        instance_type=release.instance or "Standard_DS3_v2",
        instance_count=release.count,
        request_settings=REQUESTS,
        liveness_probe=probe,
        readiness_probe=probe,
        data_collector=collector(collect),
        tags={**marks(release, collect), "created": datetime.now(UTC).isoformat()},
    )


def marks(release: Release, collect: int = 0) -> dict[str, str]:
    """Return what the cloud keeps of a release: `count` is that of the beginning."""
    tags = {name: str(getattr(release, name)) for name in KEPT}
    kept = {"collect": str(collect)} if collect else {}
    return {TAG: "1", "count": str(release.count), **tags, **kept}


def is_same(standing: Any, release: Release, collect: int) -> bool:
    """Tell whether an existing deployment runs `release`, and keeps `percent` of its answers."""
    wanted = marks(release, collect)
    names = {*wanted, "collect"} - {"count"}
    return all(standing.tags.get(name) == wanted.get(name) for name in names)


def endpoint_record(described: Any, deployments: Iterable[Any]) -> Endpoint:
    """Return an endpoint as the core knows it."""
    first = described.tags.get(FIRST)
    records = {deployment.name: _deployment(deployment, first) for deployment in deployments}
    state = _state(described.provisioning_state)
    leaving = any(record.state is State.DELETING for record in records.values())
    busy = state is State.CREATING or (state is State.READY and leaving)
    return Endpoint(
        name=described.name,
        deployments=records,
        traffic={name: share for name, share in (described.traffic or {}).items() if share},
        state=State.UPDATING if busy else state,
        reason="Azure says that the endpoint failed" if state is State.FAILED else "",
        url=described.scoring_uri or "",
        shadow={name: share for name, share in (described.mirror_traffic or {}).items() if share},
    )


def is_waiting(described: Any, deployments: Iterable[Any]) -> bool:
    """Tell whether an endpoint's first deployment exists and waits for its traffic."""
    first = described.tags.get(FIRST)
    ready = {
        deployment.name
        for deployment in deployments
        if _state(deployment.provisioning_state) is State.READY
    }
    return first in ready and _state(described.provisioning_state) is State.READY


def _deployment(described: Any, first: str | None) -> Deployment:
    tags: Mapping[str, str] = described.tags or {}
    state = _state(described.provisioning_state)
    if state is State.READY and described.name == first:  # its traffic is on the way
        state = State.CREATING
    reason = "Azure says that the deployment failed" if state is State.FAILED else ""
    return Deployment(
        name=described.name,
        state=state,
        reason=reason,
        bundle=tags.get("bundle", ""),
        version=tags.get("version", ""),
        digest=tags.get("digest", ""),
        instance=described.instance_type or "",
        count=int(described.instance_count or 1),
        created=datetime.fromisoformat(tags["created"]) if tags.get("created") else None,
    )


def _state(provisioning: Any) -> State:
    return STATES.get(str(getattr(provisioning, "value", provisioning)).lower(), State.CREATING)
