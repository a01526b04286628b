"""Azure Monitor autoscale settings of online deployments, at ten minutes a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulators.azure.rest import SUBSCRIPTION, WORKSPACE, Rest

ENDPOINT = "scaled-ep"
DEPLOYMENT = f"{WORKSPACE}/onlineEndpoints/{ENDPOINT}/deployments/blue"
SETTING = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
    "/providers/Microsoft.Insights/autoscaleSettings/blue"
)
VERSION = {"api-version": "2022-10-01"}
SCORE = "def init(): pass\ndef run(raw): return {}\n"


@pytest.fixture(scope="module")
def served(rest: Rest) -> Rest:
    rest.endpoint(ENDPOINT)
    body = rest.deployment(rest.script(SCORE, "scaled-code"))
    assert rest.deploy(ENDPOINT, "blue", body)["status"] == "Succeeded"
    assert rest.endpoint(ENDPOINT, traffic={"blue": 100})["status"] == "Succeeded"
    return rest


@pytest.fixture
def setting(served: Rest) -> Iterator[dict[str, Any]]:
    """A setting by requests, and none afterwards."""
    trigger = {"metricName": "RequestsPerMinute", "timeWindow": "PT5M", "dividePerInstance": True}
    rules = [
        {
            "metricTrigger": {**trigger, "operator": operator, "threshold": threshold},
            "scaleAction": {"direction": way, "type": "ChangeCount", "value": "1"},
        }
        for operator, threshold, way in (
            ("GreaterThan", 1, "Increase"),
            ("LessThan", 0.5, "Decrease"),
        )
    ]
    capacity = {"minimum": "1", "maximum": "2", "default": "1"}
    profile = {"name": "p", "capacity": capacity, "rules": rules}
    told = {"enabled": True, "targetResourceUri": DEPLOYMENT, "profiles": [profile]}
    yield {"location": "eastus", "properties": told}
    served.arm("DELETE", SETTING, **VERSION)


def capacity(rest: Rest) -> int:
    return int(rest.arm("GET", DEPLOYMENT).json()["sku"]["capacity"])


def test_instances_follow_the_requests_out_and_in(served: Rest, setting: dict[str, Any]) -> None:
    assert served.arm("PUT", SETTING, setting, **VERSION).status_code == 201
    deadline = time.monotonic() + 300
    while capacity(served) == 1 and time.monotonic() < deadline:
        assert served.score(ENDPOINT, {}).status_code == 200
    assert capacity(served) == 2
    while capacity(served) == 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert capacity(served) == 1


def test_a_setting_that_is_not_enabled_does_nothing(served: Rest, setting: dict[str, Any]) -> None:
    setting["properties"].pop("enabled")
    served.arm("PUT", SETTING, setting, **VERSION)
    assert served.arm("GET", SETTING, **VERSION).json()["properties"]["enabled"] is False
    for _ in range(20):
        served.score(ENDPOINT, {})
    assert capacity(served) == 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"capacity": {"minimum": "3", "maximum": "2", "default": "1"}}, "does not hold"),
        ({"capacity": {"minimum": "1"}}, "needs minimum, maximum and default"),
        ({"rules": [{"metricTrigger": {}}]}, "needs an operator"),
    ],
)
def test_settings_are_held_to_their_form(
    served: Rest, setting: dict[str, Any], changed: dict[str, Any], words: str
) -> None:
    setting["properties"]["profiles"][0] |= changed
    answer = served.arm("PUT", SETTING, setting, **VERSION)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
