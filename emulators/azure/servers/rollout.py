"""From a deployment's wishes to model servers that answer, without a gap between old and new."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.pool import Pool
from tridock.emulators.azure.core.resource import Resource, ResourceId
from tridock.emulators.azure.http.errors import AzureError
from tridock.emulators.azure.servers.assets import Location
from tridock.emulators.azure.servers.specification import MOUNT, TIMEOUT_LIMIT, Specification
from tridock.emulators.fleet import Container, Server, UnhealthyError

log = logging.getLogger(__name__)

#: Where a container finds the files of its scoring script.
CODE = f"{MOUNT}/code"

#: Where the service's troubleshooting page speaks of a container that does not come up.
ADVICE = "See https://aka.ms/oe-tsg#error-resourcenotready"


class Rollout:
    """Starts, replaces and ends the servers of deployments."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._logs: dict[str, Path] = {}
        self._wanted: dict[str, Specification] = {}

    def roll(self, made: Resource, wanted: Specification, before: Resource | None) -> None:
        """Bring up what `made` asks for and let it answer; what answered before ends after it.

        Raises
        ------
        AzureError
            If a container does not come up; what answered before still does.
        """
        key = made.id.key
        standing = self._cloud.pools.get(key)
        if standing and before and _is_resized(made, before):
            self._resize(key, standing, wanted)
            return
        servers = self._start(key, wanted, wanted.instances)
        self._put(key, servers, wanted)
        if self._cloud.store.get(made.id) is None:
            self.end(made.id)  # deleted meanwhile, with what it belongs to or by a reset
        if standing:
            self._retire(standing, standing.servers)

    def resize(self, key: str, count: int) -> None:
        """Let `count` servers answer for what `roll` brought up, none included.

        Raises
        ------
        AzureError
            If one does not come up; those that answered before still do.
        """
        pool, wanted = self._cloud.pools.get(key), self._wanted.get(key)
        if pool and wanted:
            self._resize(key, pool, replace(wanted, instances=count))

    def revive(self) -> None:
        """Start servers anew that ended by themselves, as the service does."""
        for key, pool in self._cloud.pools.all().items():
            alive = [server for server in pool.servers if server.exit_code() is None]
            missing = len(pool.servers) - len(alive)
            if not missing:
                continue
            try:
                servers = self._start(key, self._wanted[key], missing)
            except AzureError as error:
                log.warning("%s: %s", key, error)
                continue
            if self._cloud.pools.get(key) is pool:
                self._put(key, [*alive, *servers], self._wanted[key])
            else:  # It was changed or deleted meanwhile.
                self._stop(servers)

    def end(self, identifier: ResourceId) -> None:
        """End the servers of a deployment."""
        self._logs.pop(identifier.key, None)
        self._wanted.pop(identifier.key, None)
        pool = self._cloud.pools.pop(identifier.key)
        if pool:
            self._retire(pool, pool.servers)

    def log(self, identifier: ResourceId, *, initializer: bool = False) -> str:
        """Return what a deployment's newest container, or its initializer, wrote."""
        folder = self._logs.get(identifier.key)
        file = folder / ("initializer.log" if initializer else "server.log") if folder else None
        return file.read_text(errors="replace") if file and file.exists() else ""

    def _resize(self, key: str, pool: Pool, wanted: Specification) -> None:
        kept, surplus = pool.servers[: wanted.instances], pool.servers[wanted.instances :]
        more = self._start(key, wanted, wanted.instances - len(kept))
        self._put(key, [*kept, *more], wanted)
        self._retire(pool, surplus)

    def _put(self, key: str, servers: Sequence[Server], wanted: Specification) -> None:
        self._wanted[key] = wanted
        self._cloud.pools.put(key, Pool(tuple(servers), wanted.routes, wanted.limits))

    def _start(self, key: str, wanted: Specification, count: int) -> list[Server]:
        servers: list[Server] = []
        try:
            for _ in range(count):
                folder = self._cloud.fleet.folder()
                self._logs[key] = folder
                container = self._container(wanted, folder)
                servers.append(self._cloud.fleet.start(container, folder))
            for server in servers:
                self._cloud.fleet.wait(
                    server, wanted.routes.readiness, timeout=wanted.probe.patience
                )
        except UnhealthyError as error:
            self._stop(servers)
            message = f"User container has crashed or terminated: {error} {ADVICE}"
            raise AzureError(400, "ResourceNotReady", message) from error
        return servers

    def _container(self, wanted: Specification, folder: Path) -> Container:
        """Lay out the files as the service mounts them and name them to the container."""
        variables = dict(wanted.variables)
        files = {name: Path(name) for name in wanted.mounts}
        lines = []
        if wanted.model:
            name, version = wanted.model.id.parent.name, wanted.model.id.name
            to = folder / "azureml-models" / name / version
            place = Location.of(wanted.model.properties["modelUri"])
            self._cloud.blobs.export(place.container, place.path, to)
            path = f"{MOUNT}/azureml-models/{name}/{version}"
            files[path] = to
            variables["AZUREML_MODEL_DIR"] = path
            lines.append(f"Model {name}:{version} is at {path}")
        if wanted.code:
            place = Location.of(wanted.code.properties["codeUri"])
            code = self._cloud.blobs.export(place.container, place.path, folder / "code")
            files[CODE] = code
            variables |= {"AML_APP_ROOT": CODE, "AZUREML_ENTRY_SCRIPT": wanted.script}
            lines.append(f"Code is at {CODE}")
        (folder / "initializer.log").write_text("\n".join((*lines, "Done.")) + "\n")
        return Container(
            wanted.image, None, variables, wanted.routes.readiness, wanted.port, files=files
        )

    def _retire(self, pool: Pool, servers: Sequence[Server]) -> None:
        """End servers of a pool that gets no new requests, after those it has."""
        deadline = time.monotonic() + TIMEOUT_LIMIT
        while not pool.is_idle and time.monotonic() < deadline:
            time.sleep(0.02)
        self._stop(servers)

    def _stop(self, servers: Sequence[Server]) -> None:
        for server in servers:
            self._cloud.fleet.stop(server)


def _is_resized(made: Resource, before: Resource) -> bool:
    """Tell whether only the number of instances or the request settings changed."""
    same = ("model", "environmentId", "codeConfiguration", "environmentVariables", "instanceType")
    return before.state == "Succeeded" and all(
        made.properties.get(name) == before.properties.get(name) for name in same
    )
