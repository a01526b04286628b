"""Specification of an online deployment, checked and read before anything starts.

Source: "CLI (v2) managed online deployment YAML schema" for defaults and limits; "Deploy a custom
container" for routes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.pool import Limits, Routes
from tridock.emulators.azure.core.resource import Resource
from tridock.emulators.azure.http import errors
from tridock.emulators.azure.http.errors import AzureError, invalid
from tridock.emulators.azure.servers.assets import Location

#: Limits of managed online endpoints ("Manage and increase quotas").
INSTANCES_LIMIT = 50
TIMEOUT_LIMIT = 180.0
KUBERNETES_TIMEOUT_LIMIT = 300.0

#: Names of virtual machine sizes, e.g. ``Standard_DS3_v2``.
SIZE = re.compile(r"Standard_[A-Z][A-Za-z0-9_]+")

#: Where a container finds its model when nothing else is said.
MOUNT = "/var/azureml-app"


@dataclass(frozen=True)
class Probe:
    """Time limits of a container's answers, in real seconds."""

    initial_delay: float = 10.0
    period: float = 10.0
    failures: int = 30

    @property
    def patience(self) -> float:
        """The time in seconds from the start after which the container has failed."""
        return self.initial_delay + self.period * self.failures

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None) -> Probe:
        """Read a probe of a deployment."""
        given = settings or {}
        return cls(
            errors.seconds(given.get("initialDelay"), cls.initial_delay),
            errors.seconds(given.get("period"), cls.period),
            int(given.get("failureThreshold") or cls.failures),
        )


@dataclass(frozen=True)
class Specification:
    """A deployment's wishes.

    Attributes
    ----------
    instances : int
        How many servers.
    image : str
        What each runs.
    routes : Routes
        Where the container answers.
    limits : Limits
        Request settings.
    probe : Probe
        When the container is given up.
    model, code : Resource or None
        Versions whose files the container gets.
    script : str
        Path of the scoring script in the code; empty for a container that brings its own server.
    variables : Mapping of str to str
        The client's environment variables.
    port : int
        Where the container listens.
    mounts : tuple of str
        Files of this machine that its variables name.
    """

    instances: int
    image: str
    routes: Routes
    limits: Limits
    probe: Probe
    model: Resource | None
    code: Resource | None
    script: str
    variables: Mapping[str, str]
    port: int = 8080
    mounts: tuple[str, ...] = ()

    @classmethod
    def read(cls, cloud: Cloud, body: Mapping[str, Any]) -> Specification:
        """Read the body of a deployment.

        Raises
        ------
        AzureError
            400 for what the service refuses; 404 for assets that do not stand.
        """
        properties = body["properties"]
        environment = _asset(cloud, "environment", properties.get("environmentId"))
        code = properties.get("codeConfiguration") or {}
        return cls(
            instances=_instances(body),
            image=_image(environment),
            routes=_routes(environment, bool(code)),
            limits=_limits(properties),
            probe=Probe.of(properties.get("readinessProbe")),
            model=_with_files(cloud, "model", properties.get("model")),
            code=_with_files(cloud, "code", code.get("codeId")),
            script=code.get("scoringScript") or "",
            variables=properties.get("environmentVariables") or {},
            port=_port(environment),
        )


def check(body: Mapping[str, Any]) -> None:
    """Refuse settings that no managed deployment may have.

    Raises
    ------
    AzureError
        400.
    """
    properties = body["properties"]
    if properties.get("endpointComputeType", "Managed").lower() != "managed":
        return
    size = properties.get("instanceType") or ""
    if not SIZE.fullmatch(size):
        raise invalid(f"Instance type '{size}' is not supported. An example: Standard_DS3_v2.")
    scale = (properties.get("scaleSettings") or {}).get("scaleType", "Default")
    if scale.lower() != "default":
        text = "Managed deployments scale by Azure Monitor autoscale settings"
        raise invalid(f"Scale type '{scale}' is not supported. {text}.")


def _instances(body: Mapping[str, Any]) -> int:
    count = int((body.get("sku") or {}).get("capacity") or 1)
    if not 1 <= count <= INSTANCES_LIMIT:
        raise invalid(f"Instance count must be from 1 to {INSTANCES_LIMIT}, not {count}.")
    return count


def _limits(properties: Mapping[str, Any]) -> Limits:
    settings = properties.get("requestSettings") or {}
    timeout = errors.seconds(settings.get("requestTimeout"), Limits.timeout)
    managed = properties.get("endpointComputeType", "Managed").lower() == "managed"
    longest = TIMEOUT_LIMIT if managed else KUBERNETES_TIMEOUT_LIMIT
    if not 0 < timeout <= longest:
        raise invalid(f"Request timeout must be at most {longest:g} seconds, not {timeout:g}.")
    concurrent = int(settings.get("maxConcurrentRequestsPerInstance") or Limits.concurrent)
    if concurrent < 1:
        raise invalid("max_concurrent_requests_per_instance must be at least 1.")
    return Limits(timeout, concurrent)


def _image(environment: Resource | None) -> str:
    if environment is None:
        return ""
    return str(environment.properties.get("image") or environment.id.path)


def _routes(environment: Resource | None, has_code: bool) -> Routes:
    config = environment.properties.get("inferenceConfig") if environment else None
    if config:
        wanted = {"livenessRoute": "/", "readinessRoute": "/", "scoringRoute": "/score"}
        paths = [(config.get(name) or {}).get("path", path) for name, path in wanted.items()]
        return Routes(*paths)
    if not has_code:
        text = "set 'code_configuration', or 'inference_config' with liveness, readiness and"
        raise invalid(f"The deployment has no scoring script: {text} scoring routes.")
    return Routes()


def _port(environment: Resource | None) -> int:
    config = (environment.properties.get("inferenceConfig") if environment else None) or {}
    return int((config.get("scoringRoute") or {}).get("port") or Specification.port)


def _asset(cloud: Cloud, what: str, identifier: str | None) -> Resource | None:
    if not identifier:
        return None
    path = identifier.removeprefix("azureml:")
    asset = cloud.store.get(path)
    if asset is None:
        message = f"The {what} '{identifier}' was not found in the workspace."
        raise AzureError(404, "ResourceNotFound", message)
    return asset


def _with_files(cloud: Cloud, what: str, identifier: str | None) -> Resource | None:
    asset = _asset(cloud, what, identifier)
    if asset:
        place = asset.properties.get("modelUri") or asset.properties.get("codeUri") or ""
        if not Location.of(place).has_files(cloud.blobs):
            raise invalid(f"The {what} '{asset.id.path}' has no files at {place}.")
    return asset
