"""Replicas of deployed models and what they follow, our words and Vertex AI's.

Source: google/cloud/aiplatform/v1/machine_resources.proto, DedicatedResources and
AutoscalingMetricSpec; `Model.deploy` of google-cloud-aiplatform says that the target of
``request_count`` is for each instance and minute.
"""

from __future__ import annotations

from typing import Any

from tridock.deploy.target.protocol import Scaling

_ONLINE = "aiplatform.googleapis.com/prediction/online"
METRICS = {"requests": f"{_ONLINE}/request_count", "cpu": f"{_ONLINE}/cpu/utilization"}
#: What of a deployed model's resources says how many replicas it has.
REPLICAS = ("min_replica_count", "max_replica_count", "autoscaling_metric_specs")


def replicas(scaling: Scaling | None, count: int) -> dict[str, Any]:
    """Return the part of the resources that asks for `scaling`, or for `count` that stay."""
    if scaling is None:
        return dict(zip(REPLICAS, (count, count, []), strict=True))
    followed = {"metric_name": METRICS[scaling.metric], "target": scaling.target}
    return dict(zip(REPLICAS, (scaling.minimum, scaling.maximum, [followed]), strict=True))


def scaling_of(resources: Any) -> Scaling | None:
    """Read the scaling of a deployed model's resources; None where it has none of ours."""
    names = {theirs: ours for ours, theirs in METRICS.items()}
    for one in resources.autoscaling_metric_specs:
        if one.metric_name in names:
            least, most = resources.min_replica_count, resources.max_replica_count
            return Scaling(least, most, names[one.metric_name], one.target)
    return None
