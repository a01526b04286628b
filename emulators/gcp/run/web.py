"""Requests to Cloud Run services, by the host names the service gives them."""

from __future__ import annotations

from dataclasses import replace

from tridock.emulators.gcp.auth.authentication import check_identity
from tridock.emulators.gcp.core.cloud import Cloud
from tridock.emulators.gcp.core.meter import measured, of_revision
from tridock.emulators.gcp.protocol.errors import NotFoundError, UnavailableError
from tridock.emulators.gcp.protocol.names import Record, canonical
from tridock.emulators.gcp.protocol.wire import Answer, Request
from tridock.emulators.gcp.vertex import predictions

SUFFIX = ".run.app"
#: Of one connection, and not carried to the next (RFC 9110, 7.6.1).
_OWN = {"connection", "host", "content-length", "transfer-encoding", "keep-alive", "authorization"}


def answer(cloud: Cloud, request: Request) -> Answer:
    """Carry one request to a revision: the tag's, or whose turn it is."""
    host = request.host.partition(":")[0]
    tag, _, own = host.rpartition("---")
    service = next((s for s in cloud.services.values() if s["uri"] == f"https://{own}"), None)
    if service is None:
        raise NotFoundError(f"The requested URL was not found: no service at {host}.")
    if not service.get("invokerIamDisabled"):
        check_identity(cloud.tokens, request.headers, (service["uri"], f"https://{host}"))
    revision = _tagged(service, tag) if tag else _next(cloud, service)
    origin = of_revision(service["name"], revision)
    with measured(cloud.meter, origin):
        serving = cloud.servings.get(canonical(f"{service['name']}/revisions/{revision}"))
    kept = {name: value for name, value in request.headers.items() if name not in _OWN}
    path = request.path + (f"?{request.query_string}" if request.query_string else "")
    with measured(cloud.meter, origin) as measurement:  # to start a server is no latency
        answer = predictions.carry(serving, request.verb, path, request.body, headers=kept)
        return replace(answer, body=measurement.through(answer.parts, answer.status))


def _tagged(service: Record, tag: str) -> str:
    for status in service.get("trafficStatuses", ()):
        if status.get("tag") == tag:
            return str(status["revision"])
    raise NotFoundError(f"The requested URL was not found: no tag {tag}.")


def _next(cloud: Cloud, service: Record) -> str:
    shares: dict[str, int] = {}
    for status in service.get("trafficStatuses", ()):
        shares[status["revision"]] = shares.get(status["revision"], 0) + status.get("percent", 0)
    balance = cloud.balances.of(canonical(service["name"]), shares)
    if balance is None:
        raise UnavailableError("Service Unavailable: no revision is ready.")
    return balance.next()
