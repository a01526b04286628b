"""From a container as Container Apps and Container Instances describe it to a model server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.pool import Limits, Routes
from tridock.emulators.azure.http.errors import not_emulated
from tridock.emulators.azure.servers.specification import Probe, Specification

#: Where our image listens unless ``PORT`` says otherwise.
PORT = 8080

#: What a client of Azure inside of a container needs to find this one.
LED = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
IDENTITY = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")


def specification(
    cloud: Cloud, container: Mapping[str, Any], *, body: Mapping[str, Any], instances: int
) -> Specification:
    """Return what the servers of one container are started by.

    Parameters
    ----------
    container : Mapping
        Image, environment and probes.
    body : Mapping
        Of its resource: only one with an identity gets tokens.
    """
    probe = readiness(container.get("probes") or ())
    path = str((probe.get("httpGet") or {}).get("path") or "/")
    surrounding = {name: cloud.surroundings[name] for name in LED}
    if (body.get("identity") or {}).get("type", "None").lower() != "none":
        surrounding |= {name: cloud.surroundings[name] for name in IDENTITY}
    return Specification(
        instances=instances,
        image=str(container["image"]),
        routes=Routes(path, path, path),
        limits=Limits(timeout=240.0, concurrent=1000),
        probe=_probe(probe),
        model=None,
        code=None,
        script="",
        variables={**surrounding, **variables(container)},
        port=listens_at(container),
        mounts=(surrounding["SSL_CERT_FILE"],),
    )


def variables(container: Mapping[str, Any]) -> dict[str, str]:
    """Return a container's own environment."""
    key = "environmentVariables" if "environmentVariables" in container else "env"
    given = container.get(key) or ()
    if any(one.get("secretRef") for one in given):
        raise not_emulated("An environment variable by secretRef")
    return {one["name"]: str(one.get("value") or one.get("secureValue") or "") for one in given}


def listens_at(container: Mapping[str, Any]) -> int:
    """Return the port that our image listens at."""
    return int(variables(container).get("PORT") or PORT)


def readiness(probes: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the readiness probe, or an empty one."""
    return next((probe for probe in probes if str(probe.get("type")).lower() == "readiness"), {})


def _probe(probe: Mapping[str, Any]) -> Probe:
    """Read seconds; the defaults are those of Kubernetes, but for patience with slow models."""
    return Probe(
        float(probe.get("initialDelaySeconds") or 0),
        float(probe.get("periodSeconds") or 10),
        int(probe.get("failureThreshold") or Probe.failures),
    )
