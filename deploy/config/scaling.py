"""Numbers of instances, by `[scaling]` of ``release.toml``, and the targets that can scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tridock.deploy.target.errors import ConfigError
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import METRICS, Scaling

#: What each key is for, where a message has to ask for it.
_NEEDED = "[scaling] needs minimum, maximum and target; without the table a deployment keeps count"


def read(given: Mapping[str, Any]) -> Scaling | None:
    """Return the scaling that the keys of ``[scaling]`` ask for; None where they ask for none.

    Parameters
    ----------
    given : Mapping
        The keys without the table's name, their values read, None where none was given.

    Raises
    ------
    ConfigError
        If a key is missing, or the keys contradict each other.
    """
    least, most, target = given["minimum"], given["maximum"], given["target"]
    metric = str(given["metric"])
    if most == 0 or (most is None and least is None and target is None):
        return None
    if most is None:
        raise ConfigError(f"scaling.maximum is not set: {_NEEDED}")
    if target is None:
        raise ConfigError(f"scaling.target is not set: {METRICS[metric]}. {_NEEDED}")
    scaling = Scaling(1 if least is None else least, most, metric, target)
    if scaling.minimum > scaling.maximum:
        raise ConfigError(
            f"scaling.minimum is {scaling.minimum} and scaling.maximum {scaling.maximum}: "
            "the maximum cannot be less"
        )
    if metric == "cpu" and target > 100:
        raise ConfigError(f"scaling.target is {target}: {METRICS[metric]}, at most 100")
    return scaling


def check(scaling: Scaling | None, target: Target) -> None:
    """Refuse a scaling that a target cannot do.

    Its `limits` say so: ``"scaling"``, ``"scaling by METRIC"``, ``"scaling to zero"``.

    Raises
    ------
    ConfigError
        With the target's reason.
    """
    if scaling is None:
        return
    limits = target.limits
    advice = "--set scaling.maximum=0 leaves [scaling] out for one run"
    if "scaling" in limits:
        raise ConfigError(f"target {target.name} has no [scaling]: {limits['scaling']}; {advice}")
    reason = limits.get(f"scaling by {scaling.metric}")
    if reason:
        known = [name for name in METRICS if f"scaling by {name}" not in limits]
        raise ConfigError(
            f'scaling.metric is "{scaling.metric}", which target {target.name} has not: {reason}. '
            f"It has {', '.join(known)}; {advice}"
        )
    if not scaling.minimum and "scaling to zero" in limits:
        raise ConfigError(
            f"scaling.minimum is 0, and target {target.name} keeps at least one: "
            f"{limits['scaling to zero']}"
        )


def start(count: int, scaling: Scaling | None) -> int:
    """Return the number of instances to begin with: `count`, held between the bounds."""
    if scaling is None:
        return count
    return max(1, scaling.minimum, min(count, scaling.maximum))
