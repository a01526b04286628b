"""Azure Monitor autoscale settings: held to their form, and what their rules ask for.

Source: Azure Monitor documentation, "Understand autoscale settings" and "Autoscale flapping";
REST API, "Autoscale Settings".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tridock.emulators.azure.core.kind import Kind
from tridock.emulators.azure.core.resource import ResourceId
from tridock.emulators.azure.http import errors
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import invalid

TYPE = "microsoft.insights/autoscalesettings"
#: The metric of a deployment that is measured; others are kept as given.
REQUESTS = "RequestsPerMinute"

_COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "equals": lambda value, bound: value == bound,
    "greaterthan": lambda value, bound: value > bound,
    "greaterthanorequal": lambda value, bound: value >= bound,
    "lessthan": lambda value, bound: value < bound,
    "lessthanorequal": lambda value, bound: value <= bound,
}


class AutoscaleSettings(Kind):
    """Settings of all groups."""

    defaults: Mapping[str, Any] = {"enabled": False}

    def put(self, identifier: ResourceId, call: Call) -> Answer:
        """Keep settings that can be followed."""
        body = call.json()
        if not body.get("location"):
            raise invalid("The location property is required for this definition.")
        profiles = (body.get("properties") or {}).get("profiles") or ()
        if not 1 <= len(profiles) <= 20:
            raise invalid("Autoscale settings need from 1 to 20 profiles.")
        for profile in profiles:
            _check(profile)
        return super().put(identifier, call)


@dataclass(frozen=True)
class Measured:
    """Metric values that the rules are compared with.

    Attributes
    ----------
    count : int
        Instances now.
    requests : callable
        Requests that came within a number of seconds of the service.
    rested : callable
        Whether a number of seconds has passed since the last scaling.
    """

    count: int
    requests: Callable[[float], int]
    rested: Callable[[float], bool]


def wanted(properties: Mapping[str, Any], seen: Measured) -> int:
    """Return how many instances a setting's first profile asks for.

    Scaling out goes before scaling in, and the number is brought between the bounds first.
    """
    profile = properties["profiles"][0]
    least, most = (int(profile["capacity"][name]) for name in ("minimum", "maximum"))
    held = max(least, min(seen.count, most))
    if held != seen.count:
        return held
    for way in ("increase", "decrease"):
        for rule in _rules(profile, way):
            if _is_due(rule, seen) and (way == "increase" or not _flaps(profile, rule, seen)):
                return max(least, min(_changed(rule, seen.count), most))
    return seen.count


def _rules(profile: Mapping[str, Any], way: str) -> Iterator[Mapping[str, Any]]:
    for rule in profile.get("rules") or ():
        measured = rule["metricTrigger"]["metricName"] == REQUESTS
        if measured and rule["scaleAction"]["direction"].lower() == way:
            yield rule


def _is_due(rule: Mapping[str, Any], seen: Measured) -> bool:
    cooldown = errors.seconds(rule["scaleAction"].get("cooldown"), 300.0)
    return seen.rested(cooldown) and _holds(rule, _value(rule, seen, seen.count))


def _flaps(profile: Mapping[str, Any], rule: Mapping[str, Any], seen: Measured) -> bool:
    """Tell whether fewer instances would be more again at once."""
    after = max(1, _changed(rule, seen.count))
    return any(_holds(out, _value(out, seen, after)) for out in _rules(profile, "increase"))


def _value(rule: Mapping[str, Any], seen: Measured, count: int) -> float:
    """Return the requests of a minute, on average over the window, as `count` would have them."""
    trigger = rule["metricTrigger"]
    window = errors.seconds(trigger.get("timeWindow"), 300.0)
    whole = seen.requests(window) / (window / 60.0)
    return whole / count if trigger.get("dividePerInstance") else whole


def _holds(rule: Mapping[str, Any], value: float) -> bool:
    trigger = rule["metricTrigger"]
    return _COMPARED[trigger["operator"].lower()](value, float(trigger["threshold"]))


def _changed(rule: Mapping[str, Any], count: int) -> int:
    action = rule["scaleAction"]
    value, more = int(action.get("value") or 1), action["direction"].lower() == "increase"
    if action["type"].lower() == "exactcount":
        return value
    return count + value if more else count - value


def _check(profile: Mapping[str, Any]) -> None:
    capacity = profile.get("capacity") or {}
    try:
        least, default, most = (int(capacity[name]) for name in ("minimum", "default", "maximum"))
    except (KeyError, ValueError):
        raise invalid("A profile's capacity needs minimum, maximum and default.") from None
    if not 1 <= least <= default <= most:
        raise invalid(f"1 <= minimum <= default <= maximum does not hold of {dict(capacity)}.")
    for rule in profile.get("rules") or ():
        trigger, action = rule.get("metricTrigger") or {}, rule.get("scaleAction") or {}
        if str(trigger.get("operator")).lower() not in _COMPARED or "threshold" not in trigger:
            raise invalid("A rule's metricTrigger needs an operator and a threshold.")
        if str(action.get("type")).lower() not in ("changecount", "exactcount"):
            raise invalid("Only the scale actions ChangeCount and ExactCount are emulated.")
