"""Replicas that follow requests, and revisions whose server ends without requests.

Source: "Scale inference nodes", Vertex AI: every 15 seconds, the greatest number that the last
five minutes. "About instance autoscaling", Cloud Run: an idle instance ends within 15
minutes, unless a minimum keeps it.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tridock.emulators.gcp.auth.authentication import check_identity
from tridock.emulators.gcp.core.cloud import Cloud
from tridock.emulators.gcp.core.meter import measured, of_revision
from tridock.emulators.gcp.protocol.errors import NotFoundError, UnavailableError
from tridock.emulators.gcp.protocol.names import Record, canonical, now
from tridock.emulators.gcp.protocol.wire import Answer, Request
from tridock.emulators.gcp.run.revisions import READY
from tridock.emulators.gcp.vertex import predictions

log = logging.getLogger(__name__)

#: Seconds of the service between two looks, and the least in real seconds.
LOOK, SHORTEST_LOOK = 15.0, 0.05
WINDOW = 300.0
IDLE = 900.0
#: Real seconds: a start takes the same time at any speed of the clock.
LEAST_IDLE = 4.0
REQUESTS = "aiplatform.googleapis.com/prediction/online/request_count"


@dataclass(frozen=True)
class Scaler:
    """The thread that looks at every deployed model and revision.

    Attributes
    ----------
    cloud : Cloud
        Whose servings they are.
    """

    cloud: Cloud
    _wanted: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)

    def run(self) -> None:
        """Look until the emulator ends."""
        clock = self.cloud.clock
        while clock.sleep(max(LOOK, SHORTEST_LOOK * clock.speed)):
            try:
                self.look()
            except Exception:  # what cannot be scaled must not stop the others
                log.exception("scaling")

    def look(self) -> None:
        """Follow the requests once."""
        for endpoint in list(self.cloud.endpoints.values()):
            for deployed in list(endpoint.get("deployedModels", ())):
                self._follow(deployed)
        for name, revision in list(self.cloud.revisions.items()):
            if self._is_idle(name, revision):
                log.info("%s: no instance is needed", name)
                self.cloud.servings.sleep(name)

    def _follow(self, deployed: Record) -> None:
        resources = deployed.get("dedicatedResources", {})
        least = int(resources.get("minReplicaCount", 1))
        most = int(resources.get("maxReplicaCount", least))
        wanted = max((self._asked(deployed, target) for target in _targets(resources)), default=0)
        number = self._greatest(deployed["id"], min(max(wanted, least), most))
        if deployed.get("status", {}).get("availableReplicaCount") != number:
            log.info("deployed model %s: %d replicas", deployed["id"], number)
            with self.cloud.lock:
                deployed["status"] = {"availableReplicaCount": number, "lastUpdateTime": now()}
                self.cloud.state.commit()

    def _asked(self, deployed: Record, target: int) -> int:
        """Return how many replicas would each get `target` requests in a minute."""
        return math.ceil(self.cloud.arrivals.within(deployed["id"], 60.0) / target)

    def _greatest(self, key: str, count: int) -> int:
        """Return the greatest wanted number of the window."""
        moment = time.monotonic()
        wanted = self._wanted.setdefault(key, deque())
        wanted.append((moment, count))
        while wanted[0][0] < moment - self.cloud.clock.real(WINDOW):
            wanted.popleft()
        return max(number for _, number in wanted)

    def _is_idle(self, name: str, revision: Record) -> bool:
        service = self.cloud.services.get(canonical(name.partition("/revisions/")[0]), {})
        kept = (revision.get("scaling", {}), service.get("scaling", {}))
        if any(int(one.get("minInstanceCount", 0)) for one in kept):
            return False
        if READY not in revision.get("conditions", ()) or self.cloud.servings.is_asleep(name):
            return False
        return self.cloud.arrivals.idle(name) > max(self.cloud.clock.real(IDLE), LEAST_IDLE)


def _targets(resources: Record) -> Iterator[int]:
    """Yield the targets that are followed: a model server's CPUs are not measured."""
    for spec in resources.get("autoscalingMetricSpecs", ()):
        if spec.get("metricName") == REQUESTS:
            yield int(spec.get("target", 60))


# Requests to Cloud Run services, by the host names the service gives them.

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
