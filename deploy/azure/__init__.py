"""Azure Machine Learning as a target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from deploy.azure.prices import PRICES
from deploy.cloud import Cloud, Setting

if TYPE_CHECKING:
    from deploy.target import Target

SETTINGS = {
    "subscription": Setting("", "subscription of the workspace", account=True),
    "group": Setting("", "resource group of the workspace", account=True),
    "workspace": Setting("", "Machine Learning workspace, which Terraform makes", account=True),
    "identity": Setting(
        "", "id of the identity that containers run as; by default the endpoint's own", account=True
    ),
    "image": Setting("", "the model server's image in a registry it may pull from", account=True),
    "instance": Setting("Standard_DS3_v2", "machine size"),
    "count": Setting("1", "number of machines of each deployment"),
}


def _open(settings: Mapping[str, str]) -> Target:
    from deploy.azure.target import AzureTarget

    return AzureTarget.connect(settings)


def _provision(settings: Mapping[str, str]) -> Mapping[str, str]:
    from deploy.azure.provision import provision

    return provision(settings)


CLOUD = Cloud(
    settings=SETTINGS,
    open=_open,
    provision=_provision,
    ambient=("AZURE_", "AZUREML_", "ARM_", "IDENTITY_", "MSI_", "IMDS_"),
    prices=PRICES,
    required=("subscription", "group", "workspace", "image"),
)
