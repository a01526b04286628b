"""Which part of Azure answers for which host, and the emulator's own control."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

from tridock.emulators.access import is_authorized, token_name
from tridock.emulators.azure.apps.ingress import Ingress, LogStream
from tridock.emulators.azure.apps.scaler import Scaler
from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError, invalid, missing
from tridock.emulators.azure.http.front import (
    ACCOUNT,
    API_SUFFIX,
    APPS_STREAM,
    APPS_SUFFIX,
    BLOB_SUFFIX,
    INSTANCES_SUFFIX,
    LOGIN_HOSTS,
    MANAGEMENT,
    SCORING_SUFFIX,
)
from tridock.emulators.azure.ml.history import History
from tridock.emulators.azure.ml.scoring import Scoring
from tridock.emulators.azure.service.arm import Arm
from tridock.emulators.azure.service.catalogue import Catalogue
from tridock.emulators.azure.storage.storage import Storage
from tridock.emulators.faults import read_faults

LOCAL = ("localhost", "127.0.0.1")


class Site:
    """The emulated Azure as requests meet it.

    Parameters
    ----------
    cloud : Cloud
        The resources.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.catalogue = Catalogue(cloud)
        self._arm = Arm(cloud, self.catalogue.groups, self.catalogue.kinds)
        self._storage = Storage(cloud)
        self._history = History(cloud)
        self._scoring = Scoring(cloud)
        self.scaler = Scaler(cloud, self.catalogue.rollout)
        self._ingress = Ingress(cloud, self.scaler)
        self._stream = LogStream(cloud, self.catalogue.revisions)
        self._control = Control(cloud, self.catalogue)

    def scoring(self, host: str, call: Call) -> Awaitable[Answer] | None:
        """Return the answer to come of a model, or None if `call` is for none."""
        if host.endswith(SCORING_SUFFIX):
            return self._scoring.answer(call, host.removesuffix(SCORING_SUFFIX), call.path)
        if host.endswith(APPS_SUFFIX):
            return self._ingress.answer(call, host)
        if host.endswith(INSTANCES_SUFFIX):
            return self._ingress.instance(call, self.catalogue.instances.pool(host, _port(call)))
        if host in LOCAL and call.path.startswith("/_endpoints/"):
            name, _, rest = call.path.removeprefix("/_endpoints/").partition("/")
            return self._scoring.answer(call, name, f"/{rest}")
        return None

    def answer(self, host: str, call: Call) -> Answer:
        """Answer one request that no model answers."""
        if host in LOGIN_HOSTS:
            return self.cloud.entra.answer(call)
        if host == MANAGEMENT:
            return self._arm.answer(call)
        if host.endswith(BLOB_SUFFIX):
            return self._storage.answer(call)
        if host == APPS_STREAM:
            return self._stream.answer(call)
        if host.endswith(API_SUFFIX):
            return self._api(call)
        if host in LOCAL:
            return self._local(call)
        raise missing(f"https://{host}{call.path}")

    async def close(self) -> None:
        """Close what is open."""
        self.catalogue.jobs.end()
        await self._scoring.close()
        await self._ingress.close()

    def _api(self, call: Call) -> Answer:
        if "/batchEndpoints/" in call.path:
            return self.catalogue.jobs.address(call)
        return self._history.answer(call)

    def _local(self, call: Call) -> Answer:
        """Answer a caller that was led here by the cloud's metadata: hosts become paths."""
        first = call.path.strip("/").split("/")[0]
        if first == "_emulator":
            return self._control.answer(call)
        if first == "metadata":
            return Answer(200, [_metadata(call)])
        if first == "msi":
            return self.cloud.entra.identity(call)
        if first == "_storage":
            rest = call.path.removeprefix(f"/_storage/{ACCOUNT}")
            return self._storage.answer(_at(call, rest))
        if first in ("discovery", "history", "mferp"):
            return self._api(call)
        if first.lower() in ("subscriptions", "tenants", "providers"):
            is_job = "/batchEndpoints/" in call.path and call.path.endswith("/jobs")
            return self._api(call) if is_job else self._arm.answer(call)
        return self.cloud.entra.answer(call)


def _port(call: Call) -> int:
    given = call.headers.get("host", "").partition(":")[2] or "80"
    if not (given.isascii() and given.isdecimal() and len(given) <= 5):
        raise invalid(f"The Host header names the port {given[:20]!r}, which is no number.")
    return int(given)


def _at(call: Call, path: str) -> Call:
    return replace(call, path=path)


def _metadata(call: Call) -> dict[str, Any]:
    """Describe this cloud as ``ARM_CLOUD_METADATA_URL`` does ("Get cloud metadata endpoints")."""
    root = call.front.management
    return {
        "name": "Tridock",
        "portal": "https://portal.azure.local",
        "resourceManager": f"{root}/",
        "authentication": {
            "loginEndpoint": call.front.login,
            "audiences": [root],
            "tenant": "common",
        },
        "suffixes": {"storage": "core.local"},
    }


# The emulator's own controls, at ``/_emulator/``: faults on request, servers, a fresh start.

PREFIX = "/_emulator/"


class Control:
    """Answers requests to the emulator itself.

    Parameters
    ----------
    cloud : Cloud
        The resources.
    catalogue : Catalogue
        What answers for it.
    """

    def __init__(self, cloud: Cloud, catalogue: Catalogue) -> None:
        self._cloud = cloud
        self._catalogue = catalogue
        self._calls = {
            "POST reset": self._reset,
            "PUT faults": self._plan,
            "GET faults": self._report,
            "GET servers": self._of,
        }

    def answer(self, call: Call) -> Answer:
        """Answer one request."""
        if not is_authorized(call.headers, self._cloud.entra.credentials.token):
            text = f"{PREFIX} needs 'Authorization: Bearer ${token_name('azure')}'"
            raise AzureError(401, "AuthenticationFailed", f"{text}: `emulators env azure` sets it.")
        verb = self._calls.get(f"{call.method} {call.path.removeprefix(PREFIX)}")
        if verb is None:
            raise missing(f"{call.path}: there are {', '.join(self._calls)}, all below {PREFIX}")
        return verb(call)

    def _reset(self, call: Call) -> Answer:
        self._catalogue.jobs.end()
        self._cloud.reset()
        self._catalogue.groups.clear()
        return Answer(204)

    def _plan(self, call: Call) -> Answer:
        try:
            self._cloud.faults.plan(read_faults(json.loads(call.body)))
        except ValueError as error:
            raise invalid(str(error)) from error
        return Answer(204)

    def _report(self, call: Call) -> Answer:
        return Answer(200, self._cloud.faults.report())

    def _of(self, call: Call) -> Answer:
        shown = [
            {
                "deployment": key,
                "url": server.url,
                "log": str(server.log),
                "exit_code": server.exit_code(),
            }
            for key, pool in self._cloud.pools.all().items()
            for server in pool.servers
        ]
        return Answer(200, {"servers": shown})
