"""Emulated account: the names of what Terraform makes in a real one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

#: Any name does: the emulated cloud runs our model server for any image.
IMAGE = "tridock.azurecr.io/tridock:latest"

#: The emulator's environment names an existing workspace.
VARIABLES = {
    "subscription": "AZURE_SUBSCRIPTION_ID",
    "group": "AZURE_RESOURCE_GROUP",
    "workspace": "AZURE_WORKSPACE",
}


def provision(settings: Mapping[str, str]) -> Mapping[str, str]:
    """Complete the settings by what exists in the emulated account."""
    found = {name: os.environ[variable] for name, variable in VARIABLES.items()}
    given = {name: value for name, value in settings.items() if value}
    made = {**settings, **found, "image": IMAGE, **given}
    if made["service"] == "container-apps":
        _make_environment(made)
    return made


def _make_environment(settings: Mapping[str, str]) -> None:
    """Make the managed environment, unless it exists."""
    from azure.core.exceptions import ResourceNotFoundError
    from azure.identity import DefaultAzureCredential
    from azure.mgmt.appcontainers import ContainerAppsAPIClient

    place = settings["group"], settings["environment"]
    body: Any = {"location": os.environ["AZURE_REGION"], "properties": {}}
    with (
        DefaultAzureCredential() as credential,
        ContainerAppsAPIClient(credential, settings["subscription"]) as client,
    ):
        try:
            client.managed_environments.get(*place)
        except ResourceNotFoundError:
            client.managed_environments.begin_create_or_update(*place, body).result()
