"""Azure ML's own REST models find what is wrong with a request."""

from __future__ import annotations

from typing import Any

import pytest

from tridock.emulators.azure.core import schema
from tridock.emulators.azure.http.errors import AzureError

GOOD: dict[str, Any] = {
    "location": "eastus",
    "sku": {"name": "Default", "capacity": 1},
    "properties": {
        "endpointComputeType": "Managed",
        "instanceType": "Standard_DS3_v2",
        "requestSettings": {"requestTimeout": "PT5S"},
        "egressPublicNetworkAccess": "enabled",
        "provisioningState": "Succeeded",
    },
}


def properties(**changed: object) -> dict[str, Any]:
    return {**GOOD, "properties": {**GOOD["properties"], **changed}}


def test_a_good_body_has_no_faults_whatever_the_case_of_its_words() -> None:
    assert list(schema.faults_of("OnlineDeployment", GOOD)) == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({**GOOD, "location": 3}, "$.location: expected str, got int '3'"),
        ({**GOOD, "extra": 1}, "$.extra: unknown property of OnlineDeployment"),
        ({**GOOD, "sku": {"capacity": 1}}, "$.sku.name: required property of Sku is missing"),
        ({"location": "x"}, "$.properties: required property of OnlineDeployment is missing"),
        ({**GOOD, "properties": []}, "$.properties: expected an object, got list"),
        (
            properties(livenessProbe={"period": 5}),
            "$.properties.livenessProbe.period: expected timedelta, got int '5'",
        ),
        (
            properties(egressPublicNetworkAccess="Maybe"),
            "$.properties.egressPublicNetworkAccess: 'Maybe' is not one of Disabled, Enabled",
        ),
        (
            properties(scaleSettings={"scaleType": "TargetUtilization", "minInstances": "1"}),
            "$.properties.scaleSettings.minInstances: expected int, got str '1'",
        ),
        (
            properties(environmentVariables={"A": 1}),
            "$.properties.environmentVariables.A: expected str, got int '1'",
        ),
        (
            properties(appInsightsEnabled="yes"),
            "$.properties.appInsightsEnabled: expected bool, got str 'yes'",
        ),
    ],
    ids=lambda value: value.partition(":")[0] if isinstance(value, str) else "",
)
def test_each_fault_is_found_at_its_place(body: dict[str, Any], fault: str) -> None:
    assert list(schema.faults_of("OnlineDeployment", body)) == [fault]


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(AzureError) as caught:
        schema.check("OnlineDeployment", {**GOOD, "extra": 1, "location": 3})
    assert caught.value.status == 400
    assert len(caught.value.details) == 2
