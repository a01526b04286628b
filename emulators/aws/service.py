"""The parts that complete and repair moto, in the order they are put in."""

from __future__ import annotations

from tridock.emulators.aws.autoscaling import autoscaling
from tridock.emulators.aws.cloudwatch import alarms, metric_data
from tridock.emulators.aws.dataplane import capture, metrics
from tridock.emulators.aws.dataplane.cloud import Installer
from tridock.emulators.aws.iam import access, roles, simulation
from tridock.emulators.aws.protocol import access_keys, errors
from tridock.emulators.aws.sagemaker import (
    endpoint_configs,
    endpoints,
    instance_types,
    models,
    registry,
    restart,
    tagging,
)
from tridock.emulators.aws.state import persistence
from tridock.emulators.aws.transform import transform

INSTALLERS: tuple[Installer, ...] = (
    errors.install,
    access.install,
    access_keys.install,
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
