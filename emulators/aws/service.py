"""The parts that complete and correct moto, in the order of their installation."""

from __future__ import annotations

from tridock.emulators.aws import autoscaling, persistence
from tridock.emulators.aws.cloudwatch import alarms, metric_data
from tridock.emulators.aws.dataplane import invoke, metrics
from tridock.emulators.aws.dataplane.cloud import Installer
from tridock.emulators.aws.iam import access, permissions, roles
from tridock.emulators.aws.protocol import access_keys, errors
from tridock.emulators.aws.sagemaker import (
    endpoint_configs,
    endpoints,
    models,
    registry,
    transitions,
)
from tridock.emulators.aws.transform import transform

INSTALLERS: tuple[Installer, ...] = (
    errors.install,
    access.install,
    access_keys.install,
    roles.install,
    permissions.install,
    endpoint_configs.install_instance_types,
    registry.install,
    registry.install_tags,
    alarms.install,
    models.install,
    endpoint_configs.install,
    endpoints.install,
    autoscaling.install,
    invoke.install,
    metrics.install,
    metric_data.install,
    transform.install,
    persistence.install,
    transitions.install,
)
