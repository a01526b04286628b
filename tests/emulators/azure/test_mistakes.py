"""Mistakes that Azure would refuse, and what the emulator says to each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.emulators.azure.rest import WORKSPACE, Rest

Body = dict[str, Any]
Ask = Callable[[Rest, Body], httpx.Response]
ENDPOINTS = f"{WORKSPACE}/onlineEndpoints"
BLUE = f"{ENDPOINTS}/mistakes/deployments/blue"


@dataclass(frozen=True)
class Mistake:
    """A request with one fault, and the answer to it."""

    what: str
    ask: Ask
    status: int
    said: str


def changed(body: Body, **properties: object) -> Body:
    found = copy.deepcopy(body)
    found["properties"] |= properties
    return found


def traffic(shares: dict[str, int], mirror: dict[str, int] | None = None) -> Ask:
    properties = {"authMode": "Key", "traffic": shares, "mirrorTraffic": mirror or {}}
    body = {"location": "eastus", "properties": properties}
    return lambda rest, _: rest.arm("PUT", f"{ENDPOINTS}/mistakes", body)


def deployment(path: str = BLUE, **properties: object) -> Ask:
    return lambda rest, body: rest.arm("PUT", path, changed(body, **properties))


MISTAKES = (
    Mistake(
        "an endpoint's name of two letters",
        lambda rest, _: rest.arm(
            "PUT", f"{ENDPOINTS}/ab", {"location": "x", "properties": {"authMode": "Key"}}
        ),
        400,
        "'ab' is no valid endpoint name: 3 to 32 letters",
    ),
    Mistake(
        "a misspelt property",
        deployment(instanceTyp="Standard_DS3_v2"),
        400,
        "$.properties.instanceTyp: unknown property of ManagedOnlineDeployment",
    ),
    Mistake(
        "a number as text",
        lambda rest, body: rest.arm("PUT", BLUE, {**body, "sku": {"name": "D", "capacity": "1"}}),
        400,
        "$.sku.capacity: expected int, got str '1'",
    ),
    Mistake(
        "a machine of another cloud",
        deployment(instanceType="ml.m5.large"),
        400,
        "Instance type 'ml.m5.large' is not supported",
    ),
    Mistake(
        "a model that is not registered",
        deployment(model=f"{WORKSPACE}/models/none/versions/1"),
        404,
        "The model '" + WORKSPACE,
    ),
    Mistake(
        "a timeout of five minutes",
        deployment(requestSettings={"requestTimeout": "PT5M"}),
        400,
        "Request timeout must be at most 180 seconds, not 300",
    ),
    Mistake(
        "autoscaling where only Azure Monitor scales",
        deployment(scaleSettings={"scaleType": "TargetUtilization", "minInstances": 1}),
        400,
        "Scale type 'TargetUtilization' is not supported",
    ),
    Mistake("traffic of 90 percent", traffic({"blue": 90}), 400, "either 0 or 100, but is 90"),
    Mistake(
        "traffic to a deployment that is not there",
        traffic({"blue": 50, "green": 50}),
        400,
        "Traffic names deployment 'green', which is not ready. Ready: blue",
    ),
    Mistake(
        "a copy of more than half of the requests",
        traffic({}, {"blue": 60}),
        400,
        "At most 50 percent can be mirrored, not 60",
    ),
    Mistake(
        "a deployment that is live and mirrored",
        traffic({"blue": 100}, {"blue": 10}),
        400,
        "cannot get both live and mirrored traffic",
    ),
    Mistake(
        "deleting a deployment with traffic",
        lambda rest, _: rest.arm("DELETE", BLUE),
        400,
        "has 100 percent of the endpoint's traffic",
    ),
    Mistake(
        "neither a script nor routes",
        deployment(codeConfiguration=None),
        400,
        "The deployment has no scoring script",
    ),
    Mistake(
        "another image under a version that exists",
        lambda rest, _: rest.arm(
            "PUT", f"{WORKSPACE}/environments/env/versions/1", {"properties": {"image": "other:2"}}
        ),
        400,
        "'image' cannot be changed. Use a new version.",
    ),
    Mistake(
        "no api-version",
        lambda rest, _: rest.client.get(f"https://management.azure.com{ENDPOINTS}"),
        400,
        "MissingApiVersionParameter",
    ),
    Mistake(
        "a token for another service",
        lambda rest, _: rest.client.get(
            f"https://management.azure.com{ENDPOINTS}?api-version=2024-10-01",
            headers={"Authorization": f"Bearer {rest.token('https://vault.azure.net')}"},
        ),
        401,
        "for wrong audience or resource 'https://vault.azure.net'",
    ),
    Mistake(
        "a real token",
        lambda rest, _: rest.client.get(
            f"https://management.azure.com{ENDPOINTS}?api-version=2024-10-01",
            headers={"Authorization": "Bearer eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln"},
        ),
        401,
        "InvalidAuthenticationToken",
    ),
    Mistake(
        "a kind of resource that is not emulated",
        lambda rest, _: rest.arm("GET", f"{WORKSPACE}/schedules"),
        501,
        "workspaces/schedules (api-version 2024-10-01) is not emulated",
    ),
)


@pytest.fixture(scope="module")
def body(rest: Rest) -> Body:
    """Return the body of a good deployment, one of which stands and has all traffic."""
    rest.endpoint("mistakes")
    code = rest.script("def init(): pass\ndef run(raw): return raw\n", "mistakes-code")
    body = rest.deployment(code)
    assert rest.deploy("mistakes", "blue", body)["status"] == "Succeeded"
    assert rest.endpoint("mistakes", traffic={"blue": 100})["status"] == "Succeeded"
    return body


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.what)
def test_a_mistake_is_refused_in_words(rest: Rest, body: Body, mistake: Mistake) -> None:
    answer = mistake.ask(rest, body)
    assert answer.status_code == mistake.status, answer.text
    assert mistake.said in answer.text


def test_a_second_change_before_the_first_is_done_is_a_conflict(
    rest: Rest, body: Body, tmp_path: Path
) -> None:
    may_end = tmp_path / "may end"
    wait = f"while not pathlib.Path({str(may_end)!r}).exists(): time.sleep(0.05)"
    script = f"import pathlib, time\ndef init():\n    {wait}\ndef run(raw): return raw\n"
    wanted = rest.deployment(rest.script(script, "waiting-code"))
    path = f"{ENDPOINTS}/mistakes/deployments/waiting"
    first = rest.arm("PUT", path, wanted)
    second = rest.arm("PUT", path, wanted)
    may_end.touch()
    assert second.status_code == 409
    assert "has an operation in progress" in second.text
    assert rest.done(first)["status"] == "Succeeded"


def test_a_container_that_never_answers_fails_by_its_probe(rest: Rest, body: Body) -> None:
    script = "import time\ndef init(): time.sleep(60)\ndef run(raw): return raw\n"
    code = rest.script(script, "sleeping-code")
    probe = {"initialDelay": "PT1S", "period": "PT1S", "failureThreshold": 1}
    found = rest.deploy("mistakes", "sleepy", rest.deployment(code, readinessProbe=probe))
    assert found["status"] == "Failed"
    assert "no answer in 2 s" in found["error"]["message"]


def test_a_host_that_is_not_azures_is_refused_by_the_proxy(rest: Rest) -> None:
    with pytest.raises(httpx.ProxyError, match="Refused by the emulated cloud: example.org"):
        rest.client.get("https://example.org/")
