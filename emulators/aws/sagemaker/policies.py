"""Deployment policies: the steps of traffic of a ``DeploymentConfig``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tridock.emulators.aws.protocol.errors import ValidationError


@dataclass(frozen=True)
class Step:
    """One shift of traffic.

    Attributes
    ----------
    percent : float
        Share of the new fleet from here on, above 0 and to 100.
    wait : float
        Seconds of the service to bake before the next step.
    """

    percent: float
    wait: float


@dataclass(frozen=True)
class Plan:
    """The steps from the old fleet to the new one.

    Attributes
    ----------
    steps : tuple of Step
        In order; the last one has 100 percent.
    termination_wait : float
        Seconds of the service that the old fleet stays up after the last step.
    timeout : float
        Seconds of the service after which the update is rolled back.
    alarms : tuple of str
        Names of the CloudWatch alarms that roll it back.
    """

    steps: tuple[Step, ...]
    termination_wait: float = 0.0
    timeout: float = math.inf
    alarms: tuple[str, ...] = ()


def read_plan(deployment: Mapping[str, Any] | None, count: int) -> Plan:
    """Turn a ``DeploymentConfig`` into steps; without one, all traffic moves at once.

    Parameters
    ----------
    count : int
        Instances of the endpoint, for sizes given as ``INSTANCE_COUNT``.

    Raises
    ------
    ValidationError
        If it asks for both kinds of policy, or for a step outside of the service's bounds.
    """
    given = deployment or {}
    blue_green, rolling = given.get("BlueGreenUpdatePolicy"), given.get("RollingUpdatePolicy")
    if blue_green and rolling:
        raise ValidationError(
            "DeploymentConfig must specify only one of BlueGreenUpdatePolicy and "
            "RollingUpdatePolicy."
        )
    policy = blue_green or rolling or {}
    steps = _rolling(rolling, count) if rolling else _blue_green(policy, count)
    alarms = (given.get("AutoRollbackConfiguration") or {}).get("Alarms") or ()
    return Plan(
        steps,
        float(policy.get("TerminationWaitInSeconds") or 0),
        float(policy.get("MaximumExecutionTimeoutInSeconds") or math.inf),
        tuple(alarm["AlarmName"] for alarm in alarms),
    )


def _blue_green(policy: Mapping[str, Any], count: int) -> tuple[Step, ...]:
    routing = policy.get("TrafficRoutingConfiguration") or {}
    wait = float(routing.get("WaitIntervalInSeconds") or 0)
    if routing.get("Type") == "CANARY":
        size = _size("CanarySize", routing, count, at_least=0)
        return (Step(size, wait), Step(100, wait))
    if routing.get("Type") == "LINEAR":
        return _ladder(_size("LinearStepSize", routing, count, at_least=10), wait)
    return (Step(100, wait),)


def _rolling(policy: Mapping[str, Any], count: int) -> tuple[Step, ...]:
    size = _size("MaximumBatchSize", policy, count, at_least=5)
    return _ladder(size, float(policy["WaitIntervalInSeconds"]))


def _ladder(size: float, wait: float) -> tuple[Step, ...]:
    rungs = math.ceil(100 / size - 1e-9)
    return tuple(Step(min(100.0, size * rung), wait) for rung in range(1, rungs + 1))


def _size(name: str, policy: Mapping[str, Any], count: int, *, at_least: int) -> float:
    """Return a capacity size as percent, within the bounds of the API reference."""
    given = policy.get(name)
    if not given:
        raise ValidationError(f"{name} is required for the requested traffic routing type.")
    percent = float(given["Value"])
    if given["Type"] == "INSTANCE_COUNT":
        # One instance cannot be split: the smallest step of the real service is a whole one.
        return min(100.0, 100 * percent / max(count, 1))
    if not at_least <= percent <= 50:
        raise ValidationError(
            f"{name} must be between {max(at_least, 1)} and 50 percent of the variant's total "
            f"instance count, not {percent:g}."
        )
    return percent
