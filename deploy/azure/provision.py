"""What Terraform makes in a real account, named in the emulated one."""

from __future__ import annotations

import os
from collections.abc import Mapping

#: Any name does: the emulated cloud runs our model server, whatever image it is given.
IMAGE = "tridock.azurecr.io/tridock:emulated"

#: The emulator's environment names a workspace that stands.
VARIABLES = {
    "subscription": "AZURE_SUBSCRIPTION_ID",
    "group": "AZURE_RESOURCE_GROUP",
    "workspace": "AZURE_WORKSPACE",
}


def provision(settings: Mapping[str, str]) -> Mapping[str, str]:
    """Complete the settings by what stands in the emulated account."""
    found = {name: os.environ[variable] for name, variable in VARIABLES.items()}
    given = {name: value for name, value in settings.items() if value}
    return {**settings, **found, "image": IMAGE, **given}
