"""The parts that complete and repair moto, in the order they are put in."""

from __future__ import annotations

from tridock.emulators.aws import (
    access,
    alarms,
    autoscaling,
    capture,
    endpoint_configs,
    endpoints,
    errors,
    instance_types,
    keys,
    metric_data,
    metrics,
    models,
    persistence,
    registry,
    restart,
    roles,
    simulation,
    tagging,
    transform,
)
from tridock.emulators.aws.cloud import Installer

INSTALLERS: tuple[Installer, ...] = (
    errors.install,
    access.install,
    keys.install,
    roles.install,
    simulation.install,
    instance_types.install,
    registry.install,
    tagging.install,
    alarms.install,
    models.install,
    endpoint_configs.install,
    endpoints.install,
    autoscaling.install,
    capture.install,
    metrics.install,
    metric_data.install,
    transform.install,
    persistence.install,
    restart.install,
)
