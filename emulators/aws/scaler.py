"""Target tracking: the alarms of scaling policies, and the thread that scales their variants.

Source: Application Auto Scaling User Guide, "How target tracking scaling works": out as fast and in
proportion, in more gradually, and never against another scaling that is still cooling down.
"""

from __future__ import annotations

import logging
import math
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from moto.applicationautoscaling.models import (
    ApplicationAutoscalingBackend,
    FakeApplicationAutoscalingPolicy,
    applicationautoscaling_backends,
)
from moto.cloudwatch.models import cloudwatch_backends
from moto.sagemaker.models import sagemaker_backends

from tridock.emulators.aws.cloudwatch.metric_data import Windows, points
from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.live import Key
from tridock.emulators.aws.dataplane.metrics import Source
from tridock.emulators.aws.sagemaker import transitions
from tridock.emulators.aws.sagemaker.records import Endpoint

log = logging.getLogger(__name__)

DIMENSION = "sagemaker:variant:DesiredInstanceCount"
#: Seconds of the service between two looks, and the least in real seconds.
LOOK, SHORTEST_LOOK = 10.0, 0.05
#: Activities kept per account and region; the service keeps those of six weeks.
KEPT = 200

#: Seconds after a scaling in which no other follows, for SageMaker's variants ("Define a scaling
#: policy", SageMaker developer guide).
COOLDOWN = 300.0
#: A variant has its minimum again only after this long below (`PERIODS` of a minute).
PERIODS_HIGH, PERIODS_LOW = 3, 15
#: Share of the target below which there are too many.
LOW = 0.9
RESOURCE = re.compile(r"endpoint/(?P<endpoint>[^/]+)/variant/(?P<variant>[^/]+)")
REQUESTS = "SageMakerVariantInvocationsPerInstance"
CONCURRENCY = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
#: Metric, statistic and seconds of a period, by predefined metric ("Define a scaling policy",
#: SageMaker developer guide).
METRICS = {
    REQUESTS: ("InvocationsPerInstance", "Sum", 60),
    CONCURRENCY: ("ConcurrentRequestsPerModel", "Maximum", 10),
}


@dataclass(frozen=True)
class _Watched:
    """A policy, and the variant that it scales."""

    backend: ApplicationAutoscalingBackend
    policy: Any
    endpoint: Endpoint
    variant: dict[str, Any]

    @property
    def count(self) -> int:
        """Desired number of instances of the variant."""
        return int(self.variant.get("DesiredInstanceCount") or 1)

    @property
    def settings(self) -> dict[str, Any]:
        """The policy's configuration."""
        return dict(self.policy.target_tracking_scaling_policy_configuration)

    @property
    def bounds(self) -> Bounds:
        """The registered minimum and maximum."""
        target = self.backend.targets[DIMENSION][self.policy.resource_id]
        return Bounds(target.min_capacity or 1, target.max_capacity or 1)

    def alarm(self, kind: str) -> Any:
        """Return the policy's alarm ``"High"`` or ``"Low"``, None if it was deleted."""
        alarms = cloudwatch_backends[self.backend.account_id][self.backend.region_name].alarms
        named = (
            alarms.get(made.name) for made in self.policy.alarms if f"Alarm{kind}" in made.name
        )
        return next(named, None)


@dataclass(frozen=True)
class Scaler:
    """The thread that scales every variant with a policy.

    Attributes
    ----------
    cloud : Cloud
        Whose clock, endpoints and metrics are used.
    """

    cloud: Cloud
    _changed: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """Scale until the emulator ends."""
        clock = self.cloud.clock
        while clock.sleep(max(LOOK, SHORTEST_LOOK * clock.speed)):
            try:
                for watched in list(_watched()):
                    self._measure(watched)
                    self._scale(watched, time.time())
            except Exception:  # one policy that cannot be followed must not stop the others
                log.exception("scaling")

    def _measure(self, watched: _Watched) -> None:
        """Publish the requests in progress per instance, if the policy follows them."""
        if watched.settings["PredefinedMetricSpecification"]["PredefinedMetricType"] != CONCURRENCY:
            return
        key = Key(
            watched.backend.account_id, watched.backend.region_name, watched.endpoint.endpoint_name
        )
        route = self.cloud.live.get(key) or ()
        variant = watched.variant["VariantName"]
        for share in route:
            if variant in share.generation.instances:
                busy = share.generation.instances[variant].busy / watched.count
                source = Source(key, variant, share.generation.config.name)
                self.cloud.metrics.add(source, {"ConcurrentRequestsPerModel": busy})

    def _scale(self, watched: _Watched, now: float) -> None:
        held = watched.bounds.hold(watched.count)
        if held != watched.count:
            self._set(watched, held, "the registered bounds")
            return
        high, low = watched.alarm("High"), watched.alarm("Low")
        if high is not None and high.state_value == "ALARM" and self._rested(watched, "Out", now):
            wanted = more(
                watched.count, self._value(watched, high, now), watched.settings["TargetValue"]
            )
            self._set(watched, watched.bounds.hold(wanted), _because(high))
        elif low is not None and low.state_value == "ALARM" and self._rested(watched, "In", now):
            self._set(watched, watched.bounds.hold(fewer(watched.count)), _because(low))

    def _rested(self, watched: _Watched, way: str, now: float) -> bool:
        """Return whether the cooldown of that direction is over."""
        last = self._changed.setdefault(watched.policy.policy_arn, watched.policy.creation_time)
        seconds = float(watched.settings.get(f"Scale{way}Cooldown", COOLDOWN))
        if way == "In":
            seconds = max(seconds, PERIODS_LOW * 60.0)
        elif last == watched.policy.creation_time:
            seconds = 0.0
        return now - last >= self.cloud.clock.real(seconds)

    def _value(self, watched: _Watched, alarm: Any, now: float) -> float:
        """Return the newest value of an alarm's metric."""
        length = self.cloud.clock.real(float(alarm.period))
        data = cloudwatch_backends[watched.backend.account_id][
            watched.backend.region_name
        ].metric_data
        values = points(alarm, list(data), Windows.until(now, length, PERIODS_HIGH))
        return next((value for value in reversed(values) if value is not None), 0.0)

    def _set(self, watched: _Watched, count: int, cause: str) -> None:
        """Change the number of instances, as UpdateEndpointWeightsAndCapacities does."""
        with self.cloud.lock:
            if count == watched.count or watched.endpoint.endpoint_status != "InService":
                return
            name = watched.variant["VariantName"]
            watched.endpoint.begin_weighing({name: {"DesiredInstanceCount": count}})
        self._changed[watched.policy.policy_arn] = time.time()
        log.info("%s: %d instances, because of %s", watched.policy.resource_id, count, cause)
        activities(watched.backend).append(_activity(watched, count, cause))
        transitions.weigh(self.cloud, watched.endpoint)


def activities(backend: ApplicationAutoscalingBackend) -> list[dict[str, Any]]:
    """Return the scaling activities of an account and region, oldest first; they can be added to.

    moto knows none: they are kept on its backend, so that they are stored with it.
    """
    kept: list[dict[str, Any]] = vars(backend).setdefault("activities", [])
    del kept[:-KEPT]
    return kept


def _watched() -> Iterator[_Watched]:
    for regions in list(applicationautoscaling_backends.values()):
        for backend in list(regions.values()):
            for policy in list(backend.policies.values()):
                yield from _of(backend, policy)


def _of(backend: ApplicationAutoscalingBackend, policy: Any) -> Iterator[_Watched]:
    is_ours = policy.scalable_dimension == DIMENSION
    if not is_ours or policy.policy_type != "TargetTrackingScaling":
        return
    _, name, _, variant = policy.resource_id.split("/")
    endpoint: Any = sagemaker_backends[backend.account_id][backend.region_name].endpoints.get(name)
    target = backend.targets.get(DIMENSION, {}).get(policy.resource_id)
    for record in endpoint.production_variants if endpoint and target else ():
        if record["VariantName"] == variant:
            yield _Watched(backend, policy, endpoint, record)


def _because(alarm: Any) -> str:
    return f"monitor alarm {alarm.name} in state ALARM"


def _activity(watched: _Watched, count: int, cause: str) -> dict[str, Any]:
    now = time.time()
    return {
        "ActivityId": str(uuid.uuid4()),
        "ServiceNamespace": "sagemaker",
        "ResourceId": watched.policy.resource_id,
        "ScalableDimension": DIMENSION,
        "Description": f"Setting desired instance count to {count}.",
        "Cause": f"{cause} triggered policy {watched.policy.policy_name}",
        "StartTime": now,
        "EndTime": now,
        "StatusCode": "Successful",
        "StatusMessage": f"Successfully set desired instance count to {count}.",
    }


@dataclass(frozen=True)
class Bounds:
    """The bounds of the number of instances.

    Attributes
    ----------
    least, most : int
        As registered.
    """

    least: int
    most: int

    def hold(self, count: int) -> int:
        """Return the nearest number within the bounds."""
        return max(self.least, min(count, self.most))


def more(count: int, measured: float, target: float) -> int:
    """Return the number of instances with which each is at its target; at least `count`."""
    return max(count, math.ceil(count * measured / target))


def fewer(count: int) -> int:
    """Return the next smaller number."""
    return count - 1


def make_alarms(policy: FakeApplicationAutoscalingPolicy) -> list[Any]:
    """Make the two alarms of a target tracking policy."""
    settings = policy.target_tracking_scaling_policy_configuration or {}
    kind = settings["PredefinedMetricSpecification"]["PredefinedMetricType"]
    metric, statistic, period = METRICS[kind]
    aim, named = float(settings["TargetValue"]), RESOURCE.fullmatch(policy.resource_id)
    resource = named.groupdict() if named else {}
    common: dict[str, Any] = {
        "namespace": "AWS/SageMaker",
        "metric_name": metric,
        "statistic": statistic,
        "dimensions": [
            {"Name": "EndpointName", "Value": resource["endpoint"]},
            {"Name": "VariantName", "Value": resource["variant"]},
        ],
        "alarm_actions": [policy.policy_arn],
        "description": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy "
        f"{policy.policy_arn}.",
        "metric_data_queries": [],
    }
    high: dict[str, Any] = {"comparison_operator": "GreaterThanThreshold", "period": period}
    # The service publishes zeros for a variant without traffic; here no data says the same.
    low: dict[str, Any] = {
        "comparison_operator": "LessThanThreshold",
        "period": 60,
        "treat_missing_data": "breaching",
    }
    alarms = cloudwatch_backends[policy.account_id][policy.region_name]
    name = f"TargetTracking-{policy.resource_id}-Alarm"
    return [
        alarms.put_metric_alarm(
            name=f"{name}High-{policy._guid}",
            evaluation_periods=PERIODS_HIGH,
            threshold=aim,
            **common,
            **high,
        ),
        alarms.put_metric_alarm(
            name=f"{name}Low-{policy._guid}",
            evaluation_periods=PERIODS_LOW,
            threshold=aim * LOW,
            **common,
            **low,
        ),
    ]
