"""Deployments whose number of instances follows their load: settings of Azure Monitor autoscale.

A deployment keeps its own scale settings at their default; the settings that change its number are
a resource of their own beside the workspace ("Autoscale online endpoints", Azure Machine Learning).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tridock.deploy.azure.account import Account
from tridock.deploy.target.errors import NotFoundError
from tridock.deploy.target.records import Scaling

VERSION = "2022-10-01"
KIND = "/providers/Microsoft.Insights/autoscaleSettings"
#: Metrics of a deployment, and of an endpoint by deployment ("Monitor online endpoints").
CPU, REQUESTS = "CpuUtilizationPercentage", "RequestsPerMinute"
#: Fewer instances only once each has less than this share of its target: else one less would
#: mean one more again ("Understand autoscale settings", Flapping).
SHARE = 0.5


@dataclass(frozen=True)
class Autoscale:
    """The autoscale settings of one workspace's deployments, in the workspace's group.

    Attributes
    ----------
    account : Account
        The account whose credential Resource Manager gets.
    """

    account: Account

    def of(self, endpoint: str) -> Mapping[str, Scaling]:
        """Return the scaling of those deployments that have one of ours."""
        start = _name(endpoint, "")
        listed = self.account.call_group("GET", KIND, version=VERSION)["value"]
        ours = {one["name"]: one["properties"] for one in listed if one["name"].startswith(start)}
        return {name.removeprefix(start): _scaling(setting) for name, setting in ours.items()}

    def put(self, endpoint: str, deployment: str, scaling: Scaling, location: str) -> None:
        """Let a deployment's instances follow its load; the same again is the same."""
        settings = self._settings(endpoint, deployment, scaling)
        body = {"location": location, "tags": {"tridock": "1"}, "properties": settings}
        name = _name(endpoint, deployment)
        self.account.call_group("PUT", f"{KIND}/{name}", body, version=VERSION)

    def end(self, endpoint: str, going: Callable[[str], bool]) -> None:
        """Let the deployments that are `going` keep the number they have. None is success."""
        for deployment in self.of(endpoint):
            if going(deployment):
                with suppress(NotFoundError):
                    path = f"{KIND}/{_name(endpoint, deployment)}"
                    self.account.call_group("DELETE", path, version=VERSION)

    def _settings(self, endpoint: str, deployment: str, scaling: Scaling) -> dict[str, Any]:
        place = f"{self.account.path}/onlineEndpoints/{endpoint}"
        target = f"{place}/deployments/{deployment}"
        trigger = _trigger(scaling, deployment, place if scaling.metric == "requests" else target)
        capacity = {"minimum": scaling.minimum, "maximum": scaling.maximum}
        profile = {
            "name": scaling.metric,
            "capacity": {
                name: str(number)
                for name, number in {**capacity, "default": scaling.minimum}.items()
            },
            "rules": [
                _rule(trigger, "GreaterThan", scaling.target, "Increase"),
                _rule(trigger, "LessThan", scaling.target * SHARE, "Decrease"),
            ],
        }
        return {
            "name": _name(endpoint, deployment),
            "enabled": True,  # false is the default
            "targetResourceUri": target,
            "profiles": [profile],
        }


def _name(endpoint: str, deployment: str) -> str:
    return f"{endpoint}--{deployment}"


def _trigger(scaling: Scaling, deployment: str, resource: str) -> dict[str, Any]:
    by_deployment = {"DimensionName": "deployment", "Operator": "Equals", "Values": [deployment]}
    requests = {"dimensions": [by_deployment], "dividePerInstance": True}
    return {
        "metricName": REQUESTS if scaling.metric == "requests" else CPU,
        "metricResourceUri": resource,
        "timeGrain": "PT1M",
        "statistic": "Average",
        "timeWindow": "PT5M",
        "timeAggregation": "Average",
        **(requests if scaling.metric == "requests" else {}),
    }


def _rule(trigger: dict[str, Any], operator: str, bound: float, way: str) -> dict[str, Any]:
    action = {"direction": way, "type": "ChangeCount", "value": "1", "cooldown": "PT5M"}
    return {
        "metricTrigger": {**trigger, "operator": operator, "threshold": bound},
        "scaleAction": action,
    }


def _scaling(setting: Mapping[str, Any]) -> Scaling:
    profile = setting["profiles"][0]
    capacity, trigger = profile["capacity"], profile["rules"][0]["metricTrigger"]
    metric = "requests" if trigger["metricName"] == REQUESTS else "cpu"
    bounds = int(capacity["minimum"]), int(capacity["maximum"])
    return Scaling(*bounds, metric, int(trigger["threshold"]))
