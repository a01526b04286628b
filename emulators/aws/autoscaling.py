"""Application Auto Scaling of variants: moto's records, with alarms and real scaling.

Source: Application Auto Scaling API reference and User Guide, "Target tracking scaling policies";
SageMaker developer guide, "Automatic scaling of Amazon SageMaker AI models".
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from moto.applicationautoscaling.models import (
    ApplicationAutoscalingBackend,
    FakeApplicationAutoscalingPolicy,
)
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.iam.models import iam_backends
from moto.sagemaker.models import sagemaker_backends
from moto.utilities.utils import get_partition

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.iam.permissions import LINKED_ROLE, LINKED_SERVICE
from tridock.emulators.aws.protocol.calls import replace_methods
from tridock.emulators.aws.protocol.errors import AwsError
from tridock.emulators.aws.sagemaker.records import Endpoint
from tridock.emulators.aws.scaler import (
    DIMENSION,
    METRICS,
    RESOURCE,
    Scaler,
    activities,
    make_alarms,
)


def install(cloud: Cloud) -> None:
    """Check registrations against existing endpoints, and make policies scale them."""
    backend = ApplicationAutoscalingBackend
    replace_methods(
        backend,
        {
            "register_scalable_target": _registering(backend.register_scalable_target),
            "deregister_scalable_target": _deregistering(backend.deregister_scalable_target),
            "put_scaling_policy": _putting(backend.put_scaling_policy),
        },
    )
    replace_methods(FakeApplicationAutoscalingPolicy, {"create_alarms": _alarming(cloud)})
    replace_methods(
        ApplicationAutoScalingResponse, {"describe_scaling_activities": _describe_activities}
    )
    scaler = Scaler(cloud)
    cloud.on_start.append(lambda: threading.Thread(target=scaler.run, daemon=True).start())


def _registering(register: Callable[..., Any]) -> Callable[..., Any]:
    def register_scalable_target(
        self: ApplicationAutoscalingBackend, namespace: str, r_id: str, dimension: str, **more: Any
    ) -> Any:
        if dimension == DIMENSION:
            _need_variant(self, r_id)
            _check_bounds(self, (r_id, dimension), more)
            _make_role(self)
        return register(self, namespace, r_id, dimension, **more)

    return register_scalable_target


def _deregistering(deregister: Callable[..., None]) -> Callable[..., None]:
    """Delete the policies of a target and their alarms with it."""

    def deregister_scalable_target(
        self: ApplicationAutoscalingBackend, namespace: str, r_id: str, dimension: str
    ) -> None:
        _need_target(self, r_id, dimension)
        for policy in [item for item in self.policies.values() if item.resource_id == r_id]:
            if policy.scalable_dimension == dimension:
                self.delete_scaling_policy(policy.policy_name, namespace, r_id, dimension)
        deregister(self, namespace, r_id, dimension)

    return deregister_scalable_target


def _putting(put: Callable[..., Any]) -> Callable[..., Any]:
    """Replace a policy of the same name and delete its alarms."""

    def put_scaling_policy(self: ApplicationAutoscalingBackend, **given: Any) -> Any:
        place = [given[name] for name in ("service_namespace", "resource_id", "scalable_dimension")]
        if place[2] != DIMENSION:
            return put(self, **given)
        _need_target(self, place[1], place[2])
        _check_policy(given)
        name = given["policy_name"]
        key = FakeApplicationAutoscalingPolicy.formulate_key(place[0], place[1], place[2], name)
        before = self.policies.get(key)
        if before:
            before.delete_alarms(self.account_id, self.region_name)
        return put(self, **given)

    return put_scaling_policy


def _alarming(cloud: Cloud) -> Callable[..., None]:
    plain = FakeApplicationAutoscalingPolicy.create_alarms

    def create_alarms(self: FakeApplicationAutoscalingPolicy) -> None:
        if self.scalable_dimension != DIMENSION:
            plain(self)
        elif self.policy_type == "TargetTrackingScaling":
            with cloud.lock:
                self.alarms.extend(make_alarms(self))

    return create_alarms


def _describe_activities(self: ApplicationAutoScalingResponse) -> str:
    """Answer DescribeScalingActivities: the newest first."""
    self._validate_params()
    wanted = self._get_param("ResourceId"), self._get_param("ServiceNamespace")
    matches = [
        activity
        for activity in reversed(activities(self.applicationautoscaling_backend))
        if wanted[0] in (None, activity["ResourceId"]) and activity["ServiceNamespace"] == wanted[1]
    ]
    return json.dumps({"ScalingActivities": matches[: self._get_int_param("MaxResults") or 50]})


def _need_variant(backend: ApplicationAutoscalingBackend, name: str) -> None:
    match = RESOURCE.fullmatch(name)
    endpoints = sagemaker_backends[backend.account_id][backend.region_name].endpoints
    endpoint: Any = endpoints.get(match["endpoint"]) if match else None
    if not isinstance(endpoint, Endpoint) or not match:
        raise AwsError(
            "ValidationException", f"SageMaker endpoint does not exist: {name}", status=400
        )
    if endpoint.endpoint_status == "Creating":
        text = f"SageMaker endpoint is not InService: {name}"
        raise AwsError("ValidationException", text, status=400)
    if match["variant"] not in {variant["VariantName"] for variant in endpoint.production_variants}:
        text = f"SageMaker variant does not exist: {name}"
        raise AwsError("ValidationException", text, status=400)


def _check_bounds(
    backend: ApplicationAutoscalingBackend, place: tuple[str, str], given: dict[str, Any]
) -> None:
    name, dimension = place
    before = backend.targets.get(dimension, {}).get(name)
    least, most = (
        getattr(before, bound) if given.get(bound) is None and before else given.get(bound)
        for bound in ("min_capacity", "max_capacity")
    )
    if least is None or most is None:
        text = "Both the minimum and the maximum capacity are needed to register a scalable target."
        raise AwsError("ValidationException", text, status=400)
    if not 1 <= least <= most:
        text = f"Minimum capacity {least} and maximum capacity {most}: 1 <= minimum <= maximum."
        raise AwsError("ValidationException", text, status=400)


def _check_policy(given: dict[str, Any]) -> None:
    if given["policy_type"] != "TargetTrackingScaling":
        return
    metric = (given["policy_body"] or {}).get("PredefinedMetricSpecification", {})
    if metric.get("PredefinedMetricType") not in METRICS:
        text = f"Only these metrics are emulated: {', '.join(METRICS)}."
        raise AwsError("NotImplemented", text, status=501)


def _need_target(backend: ApplicationAutoscalingBackend, name: str, dimension: str) -> None:
    if name not in backend.targets.get(dimension, {}):
        raise AwsError(
            "ObjectNotFoundException",
            f"No scalable target found for service namespace: {dimension.partition(':')[0]}, "
            f"resource ID: {name}, scalable dimension: {dimension}",
            status=400,
        )


def _make_role(backend: ApplicationAutoscalingBackend) -> None:
    """Make the service-linked role, unless it exists."""
    roles = iam_backends[backend.account_id][get_partition(backend.region_name)]
    if LINKED_ROLE in {role.name for role in roles.get_roles()}:
        return
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": LINKED_SERVICE},
        "Action": "sts:AssumeRole",
    }
    roles.create_role(
        role_name=LINKED_ROLE,
        assume_role_policy_document=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        path=f"/aws-service-role/{LINKED_SERVICE}/",
        permissions_boundary=None,
        description="",
        tags=[],
        max_session_duration="3600",
        linked_service=LINKED_SERVICE,
    )
