"""One Machine Learning workspace: its SDK client, and Resource Manager for what the SDK lacks.

In the emulated account, `provision` completes the settings by what exists there.
"""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import httpx
from azure.ai.ml import MLClient
from azure.ai.ml._utils import _azureml_polling
from azure.identity import DefaultAzureCredential

from tridock.deploy.azure.errors import refused, translated
from tridock.deploy.target.errors import TargetError

MANAGEMENT = "https://management.azure.com"
VERSION = "2024-10-01"

#: Seconds that one call to Resource Manager may take.
TIMEOUT = 60.0

#: Options of azure-core's clients: `tridock.deploy.waiting.retry` alone tries again.
ONCE: Any = {"retry_total": 0}


def _say_nothing(*words: object, **options: object) -> None:
    """Take the place of `print`."""


@dataclass(frozen=True)
class Account:
    """Clients by the default credential chain.

    Attributes
    ----------
    subscription, group, workspace : str
        Which workspace.
    server : str
        Id of the identity that endpoints run as; empty for one of their own.
    """

    subscription: str
    group: str
    workspace: str
    server: str = ""

    @classmethod
    def open(cls, settings: Mapping[str, str]) -> Account:
        """Return the workspace that `settings` name."""
        names = (settings[name] for name in ("subscription", "group", "workspace", "identity"))
        return cls(*names)

    def identity(self) -> str:
        """Ask for the workspace, and say who we are."""
        with translated("workspaces:get"):
            workspace = self.client.workspaces.get(self.workspace)
        proxy = os.environ.get("HTTPS_PROXY")
        where = f"workspace {self.workspace} of {self.group}, {workspace.location}"
        by = f", by way of {proxy}" if proxy else ""
        return f"subscription {self.subscription}, {where}{by}"

    def caller(self) -> str:
        """Return the principal that Microsoft Entra gave us a token for.

        A person's user principal name, or an application's id, each with its object id. The token
        is read as it came from Entra; who else would send one is not believed by Azure either.
        """
        with translated("oauth2:token"):
            return principal(self.credential.get_token(f"{MANAGEMENT}/.default").token)

    @cached_property
    def credential(self) -> DefaultAzureCredential:
        """Identity of the caller."""
        return DefaultAzureCredential()

    @cached_property
    def client(self) -> MLClient:
        """The control plane."""
        # Its pollers print dots to standard output, which is for results, from threads of their
        # own, and its loggers have handlers of their own.
        vars(_azureml_polling)["print"] = _say_nothing
        logging.getLogger("azure.ai.ml").setLevel(logging.ERROR)
        with translated("session"):
            return MLClient(
                self.credential,
                self.subscription,
                self.group,
                self.workspace,
                show_progress=False,
                enable_telemetry=False,
                **ONCE,
            )

    @cached_property
    def http(self) -> httpx.Client:
        """For scoring, and for what the SDK has no call for."""
        return httpx.Client(timeout=TIMEOUT)

    def close(self) -> None:
        """Close all connections; a command leaves that to the end of its process."""
        self.http.close()
        # MLClient has no call for it; the service clients that it holds have one each.
        for one in vars(self.client).values():
            if callable(getattr(one, "close", None)):
                one.close()

    @property
    def path(self) -> str:
        """The workspace as Resource Manager names it."""
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        kind = "Microsoft.MachineLearningServices/workspaces"
        return f"{group}/providers/{kind}/{self.workspace}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request below the workspace and return its JSON, or None.

        Parameters
        ----------
        path : str
            E.g. ``"/models/iris/versions/1"``; a query may follow.

        Raises
        ------
        TargetError
            What the service's refusal means.
        """
        address = f"{self.path}{path}{'&' if '?' in path else '?'}api-version={VERSION}"
        kind = path.partition("?")[0].split("/")[1]
        return self._ask(method, address, body, f"{method} {kind}")

    def follow(self, link: str) -> Any:
        """Return the next page of a list, by the address that the service gave.

        Raises
        ------
        TargetError
            If it leads elsewhere: our token goes to Resource Manager only.
        """
        if not link.startswith(f"{MANAGEMENT}/"):
            raise TargetError(f"the next page is not at {MANAGEMENT}: {link}", operation="GET")
        return self._ask("GET", link.removeprefix(MANAGEMENT), None, "GET page")

    def measured(self, resource: str, query: Mapping[str, str]) -> Any:
        """Ask Azure Monitor for metrics of a resource, by its id."""
        address = f"{resource}/providers/Microsoft.Insights/metrics?{urlencode(query)}"
        return self._ask("GET", address, None, "GET metrics")

    def call_group(self, method: str, path: str, body: Any = None, *, version: str) -> Any:
        """Send one request below the resource group, as `call` does below the workspace.

        Parameters
        ----------
        path : str
            E.g. ``"/providers/Microsoft.Insights/autoscaleSettings"``.
        version : str
            Of the provider's interface.
        """
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        address = f"{group}{path}?api-version={version}"
        return self._ask(method, address, body, f"{method} {path.split('/')[3]}")

    def _ask(self, method: str, address: str, body: Any, operation: str) -> Any:
        with translated(operation):
            token = self.credential.get_token(f"{MANAGEMENT}/.default").token
            answer = self.http.request(
                method,
                f"{MANAGEMENT}{address}",
                json=body,
                headers={"Authorization": f"Bearer {token}"},
            )
        if answer.is_error:
            error = _error(answer)
            raise refused(
                answer.status_code,
                error.get("message") or answer.text,
                operation=operation,
                code=error.get("code") or "",
                headers=answer.headers,
            )
        return answer.json() if answer.content else None


def principal(token: str) -> str:
    """Return who an access token was issued to («Access token claims reference»)."""
    part = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        named = claims.get("upn") or claims.get("unique_name") or claims.get("appid")
        held = claims.get("oid") or claims.get("sub")
    except (ValueError, AttributeError):
        named, held = "", ""
    if not (named or held):
        return "a principal that the token does not name"
    return f"{named} (object {held})" if named and held else str(named or held)


def _error(answer: httpx.Response) -> dict[str, str]:
    try:
        error = answer.json().get("error")
    except ValueError:
        return {}
    return error if isinstance(error, dict) else {}


# Emulated account: the names of what Terraform makes in a real one.

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
    named = {name: os.environ[variable] for name, variable in VARIABLES.items()}
    given = {name: value for name, value in settings.items() if value}
    made = {**settings, **named, "image": IMAGE, **given}
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
