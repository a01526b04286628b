"""SageMaker endpoints: records with the service's states, and the calls that change them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from moto.applicationautoscaling.models import applicationautoscaling_backends
from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.models import SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.configs import (
    Config,
    Members,
    already_exists,
    not_found,
    read_config,
)
from tridock.emulators.aws.dataplane.instances import revive
from tridock.emulators.aws.dataplane.live import Key
from tridock.emulators.aws.protocol.calls import replace_methods
from tridock.emulators.aws.protocol.errors import NotImplementedOperationError, ValidationError
from tridock.emulators.aws.protocol.listing import page
from tridock.emulators.aws.sagemaker import transitions
from tridock.emulators.aws.sagemaker.policies import read_plan
from tridock.emulators.aws.sagemaker.records import Endpoint, summaries

#: Real seconds between two looks at the containers.
KEEP_INTERVAL = 0.5

_PROPERTIES = ("DesiredWeight", "DesiredInstanceCount", "DataCaptureConfig")
_NAMESPACE, _DIMENSION = "sagemaker", "sagemaker:variant:DesiredInstanceCount"


def install(cloud: Cloud) -> None:
    """Replace moto's endpoints: every change is a transition with real model servers."""
    calls = _Calls(cloud)
    replace_methods(
        SageMakerModelBackend,
        {
            "create_endpoint": lambda self, *given, **named: calls.create(self, *given, **named),
            "describe_endpoint": _describe,
            "delete_endpoint": lambda self, endpoint_name: calls.delete(self, endpoint_name),
        },
    )
    replace_methods(
        SageMakerResponse,
        {
            "create_endpoint": lambda self: calls.create_response(self),
            "update_endpoint": lambda self: calls.update_response(self),
            "delete_endpoint": lambda self: calls.delete_response(self),
            "update_endpoint_weights_and_capacities": lambda self: calls.weigh_response(self),
            "list_endpoints": _list_response,
        },
    )
    cloud.on_start.append(threading.Thread(target=_keep, args=(cloud,), daemon=True).start)


def _keep(cloud: Cloud) -> None:
    """Restart containers that crashed, until the emulator ends."""
    while cloud.clock.sleep(cloud.clock.speed * KEEP_INTERVAL):
        for instance in cloud.live.instances():
            revive(instance)


class _Calls:
    """The calls that start a transition.

    Parameters
    ----------
    cloud : Cloud
        Whose endpoints they change.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def create(
        self,
        backend: SageMakerModelBackend,
        endpoint_name: str,
        endpoint_config_name: str,
        tags: list[dict[str, str]] | None = None,
    ) -> Endpoint:
        """Start to create an endpoint; CloudFormation calls this too."""
        with self._cloud.lock:
            if endpoint_name in backend.endpoints:
                raise ValidationError(already_exists(backend, "endpoint", endpoint_name))
            config = _read(backend, endpoint_config_name)
            made = Endpoint(backend, endpoint_name, config, tags or [])
            backend.endpoints[endpoint_name] = made
        transitions.create(self._cloud, made, config)
        return made

    def create_response(self, response: SageMakerResponse) -> ActionResult:
        """Answer CreateEndpoint."""
        deployment = response._get_param("DeploymentConfig")
        read_plan(deployment, 1)
        made: Any = response.sagemaker_backend.create_endpoint(
            endpoint_name=response._get_param("EndpointName"),
            endpoint_config_name=response._get_param("EndpointConfigName"),
            tags=response._get_param("Tags"),
        )
        made.last_deployment_config = deployment
        return ActionResult({"EndpointArn": made.arn})

    def update_response(self, response: SageMakerResponse) -> ActionResult:
        """Answer UpdateEndpoint."""
        backend, member_of = response.sagemaker_backend, response._get_param
        with self._cloud.lock:
            endpoint = _changeable(backend, member_of("EndpointName"))
            # The service looks for the configuration that serves, too (terraform-provider-aws
            # issue 40048): deleting it first makes the update fail.
            old = backend.describe_endpoint_config(endpoint.endpoint_config_name)
            config, retention = (
                _read(backend, member_of("EndpointConfigName")),
                Retention.read(member_of),
            )
            captured = retention.capture(config.capture, old.get("DataCaptureConfig"))
            config = replace(config, capture=captured)
            kept = member_of("RetainDeploymentConfig")
            deployment = endpoint.last_deployment_config if kept else member_of("DeploymentConfig")
            plan = read_plan(deployment, endpoint.instance_count())
            refuse_scaled(endpoint, config)
            fresh = summaries(config.variants, config.models, status="Creating")
            endpoint.begin_update(config, retention.variants(fresh, endpoint.production_variants))
            endpoint.last_deployment_config = deployment
        transitions.update(self._cloud, endpoint, config, plan)
        return ActionResult({"EndpointArn": endpoint.arn})

    def weigh_response(self, response: SageMakerResponse) -> ActionResult:
        """Answer UpdateEndpointWeightsAndCapacities."""
        backend, member_of = response.sagemaker_backend, response._get_param
        with self._cloud.lock:
            endpoint = _changeable(backend, member_of("EndpointName"))
            desired = _desired(endpoint, member_of("DesiredWeightsAndCapacities"))
            endpoint.begin_weighing(desired)
        transitions.weigh(self._cloud, endpoint)
        return ActionResult({"EndpointArn": endpoint.arn})

    def delete(self, backend: SageMakerModelBackend, endpoint_name: str) -> None:
        """Forget an endpoint at once; its servers finish what they accepted."""
        with self._cloud.lock:
            endpoint = _find(backend, endpoint_name)
            del backend.endpoints[endpoint_name]
        transitions.retire_all(self._cloud, endpoint)

    def delete_response(self, response: SageMakerResponse) -> ActionResult:
        """Answer DeleteEndpoint."""
        backend, name = response.sagemaker_backend, response._get_param("EndpointName")
        with self._cloud.lock:
            endpoint = _find(backend, name)
            if endpoint.endpoint_status not in ("InService", "Failed", "OutOfService"):
                raise ValidationError(_in_progress(endpoint))
            endpoint.change("Deleting")
            deregister_variants(endpoint.key)
        transitions.delete(self._cloud, endpoint)
        return EmptyResult()


def _describe(self: SageMakerModelBackend, endpoint_name: str) -> dict[str, Any]:
    return _find(self, endpoint_name).response_object


def _list_response(self: SageMakerResponse) -> ActionResult:
    items = [endpoint.summary() for endpoint in list(self.sagemaker_backend.endpoints.values())]
    endpoints, token = page(items, "EndpointName", self._get_param)
    return ActionResult({"Endpoints": endpoints, "NextToken": token})


def _find(backend: SageMakerModelBackend, name: str) -> Endpoint:
    record: Any = backend.endpoints.get(name)
    if record is None:
        raise ValidationError(not_found(backend, "endpoint", name))
    endpoint: Endpoint = record
    return endpoint


def _changeable(backend: SageMakerModelBackend, name: str) -> Endpoint:
    endpoint = _find(backend, name)
    if endpoint.endpoint_status == "Failed":
        raise ValidationError(f'Cannot update failed endpoint "{endpoint.arn}".')
    if endpoint.endpoint_status != "InService":
        raise ValidationError(_in_progress(endpoint))
    return endpoint


def _in_progress(endpoint: Endpoint) -> str:
    return f'Cannot update in-progress endpoint "{endpoint.arn}".'


def _read(backend: SageMakerModelBackend, name: str) -> Config:
    """Copy a configuration whose kind of hosting is emulated."""
    config = read_config(backend, name)
    for model, container in config.models.items():
        if len(backend._models[model].containers or ()) > 1:
            raise NotImplementedOperationError("Hosting a model with several containers")
        if container.get("Mode") == "MultiModel":
            raise NotImplementedOperationError("Hosting a multi-model container")
    return config


def _desired(endpoint: Endpoint, members: Sequence[Members]) -> dict[str, Members]:
    """Check the variants of a request and return it by variant."""
    present = {variant["VariantName"] for variant in endpoint.production_variants}
    names = [item["VariantName"] for item in members]
    for name in names:
        if names.count(name) > 1:
            raise ValidationError(f'The variant name "{name}" was non-unique within the request.')
        if name not in present:
            raise ValidationError(
                f'The variant name(s) "{name}" is/are not present within endpoint configuration '
                f'"{endpoint.endpoint_config_name}".'
            )
    return {item["VariantName"]: item for item in members}


@dataclass(frozen=True)
class Retention:
    """The properties of the old variants that an update keeps.

    Attributes
    ----------
    properties : frozenset of str
        Some of ``DesiredWeight``, ``DesiredInstanceCount``, ``DataCaptureConfig``.
    """

    properties: frozenset[str] = frozenset()

    @classmethod
    def read(cls, member_of: Callable[[str], Any]) -> Retention:
        """Read UpdateEndpoint's ``RetainAllVariantProperties`` and its exceptions.

        Parameters
        ----------
        member_of : callable
            Returns a member of the request, or None.
        """
        if not member_of("RetainAllVariantProperties"):
            return cls()
        excluded = member_of("ExcludeRetainedVariantProperties") or []
        kept = set(_PROPERTIES) - {item["VariantPropertyType"] for item in excluded}
        return cls(frozenset(kept))

    def capture(self, fresh: Members | None, old: Members | None) -> Members | None:
        """Return the data capture that holds after the update."""
        return old if "DataCaptureConfig" in self.properties else fresh

    def variants(self, fresh: Sequence[Members], old: Sequence[Members]) -> list[dict[str, Any]]:
        """Return the summaries `fresh` with the retained properties of those in `old`."""
        by_name = {variant["VariantName"]: variant for variant in old}
        return [
            {**summary, **self._kept(by_name.get(summary["VariantName"], {}))} for summary in fresh
        ]

    def _kept(self, old: Members) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name in self.properties & old.keys():
            kept |= {name: old[name], name.replace("Desired", "Current"): old[name]}
        return kept


def refuse_scaled(endpoint: Endpoint, config: Config) -> None:
    """Refuse an update that removes a scaled variant or changes its instance type.

    "Update endpoints that use auto scaling", SageMaker developer guide.

    Raises
    ------
    ValidationError
        Naming the variants.
    """
    before = {
        variant["VariantName"]: variant.get("InstanceType") for variant in endpoint.config.variants
    }
    after = {variant["VariantName"]: variant.get("InstanceType") for variant in config.variants}
    changed = [
        name for name in _scaled_variants(endpoint.key) if after.get(name) != before.get(name)
    ]
    if changed:
        raise ValidationError(
            f'The variant(s) "{", ".join(changed)}" must be deregistered as a scalable target with '
            "AutoScaling before they can be removed or have their instance type updated."
        )


def deregister_variants(key: Key) -> None:
    """Deregister the variants of an endpoint that is deleted, as SageMaker does."""
    backend = applicationautoscaling_backends[key.account][key.region]
    for name in _scaled_variants(key):
        resource = f"endpoint/{key.endpoint}/variant/{name}"
        backend.deregister_scalable_target(_NAMESPACE, resource, _DIMENSION)


def _scaled_variants(key: Key) -> list[str]:
    backend = applicationautoscaling_backends[key.account][key.region]
    start = f"endpoint/{key.endpoint}/variant/"
    names = list(backend.targets.get(_DIMENSION, {}))
    return [name.removeprefix(start) for name in names if name.startswith(start)]
