"""The addresses of container apps and container groups: which server answers, in what time.

Source: Azure Container Apps documentation, "Ingress overview" and "Traffic splitting".
"""

from __future__ import annotations

import asyncio
import json
import re
import time

import httpx

from tridock.emulators.azure.apps.apps import AUDIENCE
from tridock.emulators.azure.apps.revisions import Revisions, weights
from tridock.emulators.azure.apps.scaler import Scaler
from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.measurements import Tally
from tridock.emulators.azure.core.pool import Pool
from tridock.emulators.azure.core.resource import Resource, ResourceId, now
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError, missing
from tridock.emulators.azure.servers import traffic

APPS = "microsoft.app/containerapps"

#: Headers that belong to one connection.
OURS = frozenset(("connection", "content-length", "host", "transfer-encoding", "keep-alive"))


class Ingress:
    """Answers what is no part of Azure itself.

    Its methods run in one event loop, which makes counting requests safe.
    """

    def __init__(self, cloud: Cloud, scaler: Scaler) -> None:
        self._cloud = cloud
        self._scaler = scaler
        self._tally = Tally(cloud.measurements)
        self._client = httpx.AsyncClient(trust_env=False, timeout=None)  # noqa: S113

    async def answer(self, call: Call, host: str) -> Answer:
        """Answer one request to an app, to one of its revisions, or to a label."""
        revision = self._revision(host)
        key = revision.key if revision else ""
        pool = self._cloud.pools.get(key)
        began = time.perf_counter()
        if pool:
            self._cloud.arrivals.add(key)
            if not pool.servers:  # scaled to zero: the request waits for the first replica
                await asyncio.to_thread(self._scaler.wake, key)
                pool = self._cloud.pools.get(key)
        if pool is None or revision is None:
            return Answer(404, {"error": f"no running revision answers at {host}"})
        response = await self.forward(call, pool)
        self._tally.passed(revision, response, began)
        return response

    async def instance(self, call: Call, pool: Pool | None) -> Answer:
        """Answer one request to a container group."""
        if pool is None:  # There the connection would not come about.
            return Answer(503, {"error": "no container listens at this host name and port"})
        return await self.forward(call, pool)

    async def forward(self, call: Call, pool: Pool) -> Answer:
        """Let the least busy instance answer; its answer goes back as it is."""
        if not pool.enter():
            return Answer(429, {"error": "too many requests"})
        try:
            async with asyncio.timeout(pool.limits.timeout):
                return await self._ask(call, pool)
        except TimeoutError:
            return Answer(504, b"stream timeout")
        except httpx.TransportError as error:
            return Answer(503, f"upstream connect error: {error}".encode())
        finally:
            pool.leave()

    async def close(self) -> None:
        """Close the connections to model servers."""
        await self._client.aclose()

    async def _ask(self, call: Call, pool: Pool) -> Answer:
        server = pool.take()
        while server is None:
            await asyncio.sleep(0.002)
            server = pool.take()
        try:
            response = await self._client.request(
                call.method,
                server.url + call.path,
                params=dict(call.query),
                content=call.body,
                headers={name: header for name, header in call.headers.items() if name not in OURS},
            )
        finally:
            pool.give_back(server)
        headers = {name: header for name, header in response.headers.items() if name not in OURS}
        return Answer(response.status_code, response.content, headers)

    def _revision(self, host: str) -> ResourceId | None:
        """Return the revision that answers at `host` this time."""
        for app in self._cloud.store.below("/subscriptions"):
            if app.id.type.lower() == APPS:
                name = _chosen(app, host)
                if name:
                    return app.id.child("revisions", name)
        return None


def _chosen(app: Resource, host: str) -> str | None:
    ingress = (app.properties.get("configuration") or {}).get("ingress") or {}
    fqdn = str(ingress.get("fqdn") or "")
    name, _, domain = fqdn.partition(".")
    label, _, rest = host.partition(".")
    if not fqdn or rest != domain or not ingress.get("external"):
        return None
    if label == name:
        return traffic.choose(weights(app.properties))
    if label.startswith(f"{name}---"):
        wanted = label.removeprefix(f"{name}---")
        named = {one.get("label"): one.get("revisionName") for one in ingress["traffic"]}
        return named.get(wanted)
    return label if label.startswith(f"{name}--") else None


# The log stream of container apps: the last lines of one replica, by a token of the app.

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
        match = PATH.fullmatch(call.path)
        if not match:
            raise missing(call.path)
        pairs = (("containerApps", match["app"]),)
        app = ResourceId(match["subscription"], match["group"], "Microsoft.App", pairs)
        self._cloud.entra.check(call, (AUDIENCE + app.key,))
        if call.query.get("follow", "false").lower() == "true":
            raise AzureError(501, "NotImplemented", "follow=true is not emulated.")
        revision = self._revisions.find(app.child("revisions", match["revision"]))
        text = self._revisions.log(revision.id, int(match["replica"]))
        wanted = min(int(call.query.get("tailLines") or LINES), LINES_LIMIT)
        lines = text.splitlines()[-wanted:] if wanted else []
        if call.query.get("output", "json") == "text":
            written = [f"{now()} {line}" for line in lines]
        else:
            written = [json.dumps({"TimeStamp": now(), "Log": line}) for line in lines]
        body = "".join(f"{line}\n" for line in written).encode()
        return Answer(200, body, {"Content-Type": "text/plain; charset=utf-8"})
