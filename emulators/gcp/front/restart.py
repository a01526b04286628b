"""Restart of all that ran before the emulator ended: servers, operations, batch jobs."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress

from tridock.emulators.gcp.core.cloud import Cloud
from tridock.emulators.gcp.core.serving import Plan
from tridock.emulators.gcp.protocol.errors import GcpError, UnavailableError
from tridock.emulators.gcp.run import revisions
from tridock.emulators.gcp.state import trash
from tridock.emulators.gcp.vertex import batch, deployments, tenant

log = logging.getLogger(__name__)


def restart(cloud: Cloud) -> None:
    """Take up what the state folder holds; servers start meanwhile, and requests wait."""
    trash.empty(cloud.place.folder)
    plans = list(_plans(cloud))
    for plan in plans:
        cloud.servings.restore(plan)
    tenant.sweep(cloud, {plan.key for plan in plans})
    _drop_artifacts(cloud)
    threading.Thread(target=_wake, args=(cloud, [plan.key for plan in plans]), daemon=True).start()
    with suppress(UnavailableError):
        cloud.operations.resume()
        batch.resume(cloud)


def flush(cloud: Cloud) -> None:
    """Write what was measured and logged, about once a second until the emulator ends."""
    while cloud.clock.sleep(cloud.clock.speed):
        cloud.flush()


def _plans(cloud: Cloud) -> Iterator[Plan]:
    for endpoint in cloud.endpoints.values():
        for deployed in endpoint.get("deployedModels", ()):
            try:
                yield deployments.plan(cloud, endpoint["name"], deployed)
            except GcpError as error:
                log.error("%s %s: %s", endpoint["name"], deployed["id"], error.message)
    for revision in cloud.revisions.values():
        if revisions.READY in revision.get("conditions", ()):
            try:
                yield revisions.plan(cloud, revision["name"], revision)
            except GcpError as error:
                log.error("%s: %s", revision["name"], error.message)


def _wake(cloud: Cloud, keys: list[str]) -> None:
    for key in keys:
        try:
            cloud.servings.wake(key)
        except UnavailableError as error:
            log.error("%s: %s", key, error.message)


def _drop_artifacts(cloud: Cloud) -> None:
    """Delete the copies of uploads that were killed before they were models."""
    folder = cloud.place.folder / "artifacts"
    known = {v["_artifacts"] for versions in cloud.models.values() for v in versions.values()}
    for path in folder.iterdir() if folder.exists() else ():
        if path.name not in known:
            shutil.rmtree(path, ignore_errors=True)
