"""Questions to an endpoint's past, answered by what the cloud shows today."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from tridock.deploy.target.records import Deployment, Endpoint, State

_NEVER = datetime.min.replace(tzinfo=UTC)


def by_age(deployments: Iterable[Deployment]) -> list[Deployment]:
    """Return the deployments, newest first; those without a time last."""
    return sorted(deployments, key=lambda one: (one.created or _NEVER, one.name), reverse=True)


def newest_serving(endpoint: Endpoint) -> Deployment | None:
    """Return the newest deployment with traffic: the one that was released last."""
    serving = [
        deployment
        for name, deployment in endpoint.deployments.items()
        if endpoint.traffic.get(name)
    ]
    return by_age(serving)[0] if serving else None


def before(endpoint: Endpoint, name: str) -> Deployment | None:
    """Return the newest ready deployment made before `name`, if there is one."""
    ranked = by_age(endpoint.deployments.values())
    older = ranked[[one.name for one in ranked].index(name) + 1 :]
    return next((one for one in older if one.state is State.READY), None)


def previous(then: Endpoint, name: str) -> str | None:
    """Return which deployment to keep beside `name`: what served most of `then`, or came before.

    Parameters
    ----------
    then : Endpoint
        The endpoint before the release of `name`.
    """
    others = {other: share for other, share in then.traffic.items() if other != name}
    if others:
        return leading(others)
    older = before(then, name) if name in then.deployments else None
    return older.name if older else None


def is_first(then: Endpoint | None, name: str) -> bool:
    """Tell whether `name` is the endpoint's only deployment."""
    return then is None or set(then.deployments) <= {name}


def is_older(then: Endpoint, name: str) -> bool:
    """Tell whether `name` existed before what serves was made: it is not ours to remove."""
    deployment, serving = then.deployments.get(name), newest_serving(then)
    if not deployment or not serving or not deployment.created or not serving.created:
        return False
    return deployment.created < serving.created


def is_broken(endpoint: Endpoint, name: str) -> bool:
    """Tell whether a deployment that has traffic failed: it served, and is to be repaired."""
    deployment = endpoint.deployments.get(name)
    return bool(deployment and deployment.state is State.FAILED and endpoint.traffic.get(name))


def working(endpoint: Endpoint) -> dict[str, int]:
    """Return the traffic without that of deployments that failed: who is left to protect."""
    shares = endpoint.traffic.items()
    return {name: share for name, share in shares if not is_broken(endpoint, name)}


def is_dead(endpoint: Endpoint) -> bool:
    """Tell whether the endpoint failed with nothing that works behind it."""
    working = any(deployment.state is State.READY for deployment in endpoint.deployments.values())
    return endpoint.state is State.FAILED and not working


def leading(traffic: Mapping[str, int]) -> str:
    """Return the deployment with the largest share; empty for none."""
    return max(traffic, key=lambda name: (traffic[name], name), default="")


def traffic_text(traffic: Mapping[str, int]) -> str:
    """Write a split for humans, largest share first."""
    ranked = sorted(traffic.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {share} %" for name, share in ranked) or "no traffic"
