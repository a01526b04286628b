"""The hand that scales: deployments by their autoscale settings, revisions by their requests.

Source: "Autoscale online endpoints", Azure Machine Learning; "Set scaling rules in Azure Container
Apps" (HTTP: the requests of 15 seconds; scaling in after 300 seconds).
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from tridock.emulators.azure.apps.revisions import TYPE as REVISION
from tridock.emulators.azure.apps.revisions import scale_of
from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.resource import Resource
from tridock.emulators.azure.monitor import autoscale
from tridock.emulators.azure.monitor.autoscale import Measured
from tridock.emulators.azure.servers.rollout import Rollout

log = logging.getLogger(__name__)

#: Seconds of the service between two looks, and the least in real seconds.
LOOK, SHORTEST_LOOK = 15.0, 0.1
#: Of Container Apps, in seconds of the service.
POLLED, COOLDOWN = 15.0, 300.0
#: Real seconds: a start takes the same time at any speed of the clock.
LEAST_IDLE = 4.0


class Scaler:
    """Follows every autoscale setting and every active revision.

    Parameters
    ----------
    cloud : Cloud
        The resources.
    rollout : Rollout
        What starts and ends model servers.
    """

    def __init__(self, cloud: Cloud, rollout: Rollout) -> None:
        self._cloud = cloud
        self._rollout = rollout
        self._scaled: dict[str, float] = {}
        self._wanted: dict[str, deque[tuple[float, int]]] = {}
        self._waking: dict[str, threading.Lock] = {}

    def run(self) -> None:
        """Look until the emulator ends."""
        clock = self._cloud.clock
        while clock.sleep(max(LOOK, SHORTEST_LOOK * clock.speed)):
            for one in self._cloud.store.below("/subscriptions"):
                kind = one.id.type.lower()
                try:
                    if kind == autoscale.TYPE and one.properties.get("enabled"):
                        self._follow_setting(one)
                    elif kind.endswith(REVISION) and one.properties.get("active"):
                        self._follow_requests(one)
                except Exception:  # what cannot be scaled must not stop the others
                    log.exception("%s", one.id.path)

    def wake(self, key: str) -> None:
        """Start one instance of a revision that has none; all who wait get the same one."""
        with self._waking.setdefault(key, threading.Lock()):
            pool = self._cloud.pools.get(key)
            if pool is not None and not pool.servers:
                self._set(key, 1)

    def _follow_setting(self, setting: Resource) -> None:
        key = str(setting.properties.get("targetResourceUri") or "").lower()
        pool, deployment = self._cloud.pools.get(key), self._cloud.store.get(key)
        if not pool or not deployment or self._cloud.operations.is_busy(deployment.id):
            return
        last = self._scaled.get(setting.id.key, 0.0)
        seen = Measured(
            len(pool.servers),
            lambda seconds: self._cloud.arrivals.within(key, seconds),
            lambda seconds: time.monotonic() - last >= self._cloud.clock.real(seconds),
        )
        count = autoscale.wanted(setting.properties, seen)
        if count != seen.count:
            self._scaled[setting.id.key] = time.monotonic()
            self._cloud.operations.start(deployment.id, lambda: self._resize(deployment, count))

    def _resize(self, deployment: Resource, count: int) -> None:
        log.info("%s: %d instances", deployment.id.name, count)
        self._cloud.store.change(deployment.id, provisioningState="Scaling")
        self._rollout.resize(deployment.id.key, count)
        changed = self._cloud.store.change(deployment.id, provisioningState="Succeeded")
        if changed:
            sku = {**(changed.body.get("sku") or {}), "capacity": count}
            self._cloud.store.put(
                Resource(changed.id, {**changed.body, "sku": sku}, changed.created)
            )

    def _follow_requests(self, revision: Resource) -> None:
        key, pool = revision.id.key, self._cloud.pools.get(revision.id.key)
        if pool is None or revision.properties.get("provisioningState") != "Provisioned":
            return
        least, most, target = scale_of(revision)
        now = len(pool.servers)
        flight = max(sum(pool.load.values()), self._cloud.arrivals.within(key, POLLED) / POLLED)
        wanted = self._greatest(key, min(most, math.ceil(flight / target)))
        idle = self._cloud.arrivals.idle(key)
        awake = idle < max(self._cloud.clock.real(COOLDOWN), LEAST_IDLE)
        count = max(least, wanted, int(now > 0 and awake))
        if count != now and (now or wanted):
            self._set(key, count)

    def _greatest(self, key: str, count: int) -> int:
        """Return the greatest wanted number of the window before scaling in."""
        moment = time.monotonic()
        wanted = self._wanted.setdefault(key, deque())
        wanted.append((moment, count))
        while wanted[0][0] < moment - self._cloud.clock.real(COOLDOWN):
            wanted.popleft()
        return max(number for _, number in wanted)

    def _set(self, key: str, count: int) -> None:
        revision = self._cloud.store.get(key)
        if revision is None:
            return
        log.info("%s: %d replicas", revision.id.name, count)
        self._rollout.resize(key, count)
        state: Mapping[str, Any] = {"runningState": "Running" if count else "ScaledToZero"}
        self._cloud.store.change(revision.id, replicas=count, **state)
