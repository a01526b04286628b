"""The emulator's own controls, at ``/_emulator/``: faults on request, servers, a fresh start."""

from __future__ import annotations

import json

from tridock.emulators.access import is_authorized, token_name
from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError, invalid, missing
from tridock.emulators.azure.service.catalogue import Catalogue
from tridock.emulators.faults import read_faults

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
        found = self._calls.get(f"{call.method} {call.path.removeprefix(PREFIX)}")
        if found is None:
            raise missing(f"{call.path}: there are {', '.join(self._calls)}, all below {PREFIX}")
        return found(call)

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
