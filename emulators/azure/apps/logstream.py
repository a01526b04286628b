"""The log stream of container apps: the last lines of one replica, by a token of the app.

Source: Azure Container Apps documentation, "View log streams"; what the command
``az containerapp logs show`` asks and prints.
"""

from __future__ import annotations

import json
import re

from tridock.emulators.azure.apps.apps import AUDIENCE
from tridock.emulators.azure.apps.revisions import Revisions
from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.resource import ResourceId, now
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError, missing

PATH = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)/containerApps/"
    r"(?P<app>[^/]+)/revisions/(?P<revision>[^/]+)/replicas/[^/]+-(?P<replica>\d+)/"
    r"containers/[^/]+/logstream",
    re.I,
)
LINES = 20
LINES_LIMIT = 300


class LogStream:
    """Answers the address that a replica's container names; it does not follow."""

    def __init__(self, cloud: Cloud, revisions: Revisions) -> None:
        self._cloud = cloud
        self._revisions = revisions

    def answer(self, call: Call) -> Answer:
        """Answer one request with JSON lines, or with plain ones for ``output=text``."""
        found = PATH.fullmatch(call.path)
        if not found:
            raise missing(call.path)
        pairs = (("containerApps", found["app"]),)
        app = ResourceId(found["subscription"], found["group"], "Microsoft.App", pairs)
        self._cloud.entra.check(call, (AUDIENCE + app.key,))
        if call.query.get("follow", "false").lower() == "true":
            raise AzureError(501, "NotImplemented", "follow=true is not emulated.")
        revision = self._revisions.find(app.child("revisions", found["revision"]))
        text = self._revisions.log(revision.id, int(found["replica"]))
        wanted = min(int(call.query.get("tailLines") or LINES), LINES_LIMIT)
        lines = text.splitlines()[-wanted:] if wanted else []
        if call.query.get("output", "json") == "text":
            told = [f"{now()} {line}" for line in lines]
        else:
            told = [json.dumps({"TimeStamp": now(), "Log": line}) for line in lines]
        body = "".join(f"{line}\n" for line in told).encode()
        return Answer(200, body, {"Content-Type": "text/plain; charset=utf-8"})
