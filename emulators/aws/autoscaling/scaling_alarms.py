"""The alarms by which Application Auto Scaling watches what a target tracking policy follows."""

from __future__ import annotations

import re
from typing import Any

from moto.applicationautoscaling.models import FakeApplicationAutoscalingPolicy
from moto.cloudwatch.models import cloudwatch_backends

from tridock.emulators.aws.autoscaling import tracking

RESOURCE = re.compile(r"endpoint/(?P<endpoint>[^/]+)/variant/(?P<variant>[^/]+)")
REQUESTS = "SageMakerVariantInvocationsPerInstance"
CONCURRENCY = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
#: Metric, statistic and seconds of a period, by predefined metric ("Define a scaling policy",
#: SageMaker developer guide).
METRICS = {
    REQUESTS: ("InvocationsPerInstance", "Sum", 60),
    CONCURRENCY: ("ConcurrentRequestsPerModel", "Maximum", 10),
}


def made_for(policy: FakeApplicationAutoscalingPolicy) -> list[Any]:
    """Make the two alarms by which the service watches a target."""
    told = policy.target_tracking_scaling_policy_configuration or {}
    kind = told["PredefinedMetricSpecification"]["PredefinedMetricType"]
    metric, statistic, period = METRICS[kind]
    aim, named = float(told["TargetValue"]), RESOURCE.fullmatch(policy.resource_id)
    found = named.groupdict() if named else {}
    common: dict[str, Any] = {
        "namespace": "AWS/SageMaker",
        "metric_name": metric,
        "statistic": statistic,
        "dimensions": [
            {"Name": "EndpointName", "Value": found["endpoint"]},
            {"Name": "VariantName", "Value": found["variant"]},
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
            evaluation_periods=tracking.PERIODS_HIGH,
            threshold=aim,
            **common,
            **high,
        ),
        alarms.put_metric_alarm(
            name=f"{name}Low-{policy._guid}",
            evaluation_periods=tracking.PERIODS_LOW,
            threshold=aim * tracking.LOW,
            **common,
            **low,
        ),
    ]
