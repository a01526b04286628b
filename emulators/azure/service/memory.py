"""State that outlives the emulator: resources, blobs and groups in one file, metrics in another."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tridock.emulators.azure.core.blobs import Blob
from tridock.emulators.azure.core.cloud import Cloud
from tridock.emulators.azure.core.resource import Resource, ResourceId
from tridock.emulators.azure.http.errors import AzureError
from tridock.emulators.azure.servers.specification import Specification
from tridock.emulators.azure.service.catalogue import Catalogue

log = logging.getLogger(__name__)

#: Changes that no request made are on disk after this many real seconds at the latest.
PAUSE = 0.1

#: Bytes kept free, so that deleting is possible on a full disk.
RESERVE = 1_000_000

#: Another form of the file is put aside, not read.
FORM = 1
DEPLOYMENT = "/onlineEndpoints/deployments"


class Memory:
    """Writes the state of a cloud as it changes, and reads it back.

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
        self._file = cloud.place.folder / "state.json"
        self._before = self._file.with_suffix(".before")
        self._reserve = self._file.with_suffix(".reserve")
        self._written: tuple[int, int, int] | None = None
        self._size = 0
        self._writing = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def start(self) -> None:
        """Read the kept state, bring its model servers up, and begin to write."""
        content = _read(self._file) or _read(self._before)
        if content:
            self._restore(content)
            self._cloud.blobs.sweep()
        self._cloud.measurements.restore()
        self._thread.start()

    def stop(self) -> None:
        """Write the last changes and end."""
        self._ended.set()
        self._thread.join()

    def demand_room(self, size: int) -> None:
        """Let a change begin only if the disk has room for it.

        Parameters
        ----------
        size : int
            Bytes that the request brings.

        Raises
        ------
        OSError
            ENOSPC.
        """
        needed = 2 * size + 4 * self._size + RESERVE
        if shutil.disk_usage(self._file.parent).free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(self) -> None:
        """Bring what changed since the last time to the disk.

        Raises
        ------
        OSError
            If it cannot be written; what was written before is still there.
        """
        with self._writing:
            now = self._changes()
            if now == self._written:
                return
            replaced = self._cloud.blobs.replaced()
            text = json.dumps(self._state())
            try:
                self._replace(text)
            except OSError:
                self._reserve.unlink(missing_ok=True)  # deleting must be possible on a full disk
                self._replace(text)
            self._written, self._size = now, len(text)
            self._cloud.blobs.discard(replaced)

    def _replace(self, text: str) -> None:
        draft = self._file.with_suffix(".draft")
        draft.write_text(text)
        if self._file.exists():
            self._file.rename(self._before)
        draft.rename(self._file)
        if not self._reserve.exists():
            with suppress(OSError):
                self._reserve.write_bytes(bytes(RESERVE))

    def _changes(self) -> tuple[int, int, int]:
        groups = self._catalogue.groups
        return self._cloud.store.changes, self._cloud.blobs.changes, groups.changes

    def _run(self) -> None:
        while not self._ended.wait(PAUSE):
            self._try()
        self._try(all_of_it=True)

    def _try(self, *, all_of_it: bool = False) -> None:
        try:
            self.write()
            self._cloud.measurements.write(all_of_it=all_of_it)
        except OSError as error:
            log.error("the state cannot be written: %s", error)
            self._ended.wait(1.0)

    def _state(self) -> dict[str, Any]:
        resources = self._cloud.store.below("")
        return {
            "form": FORM,
            "groups": self._catalogue.groups.state(),
            "resources": [asdict(resource) for resource in resources],
            "blobs": self._cloud.blobs.state(),
        }

    def _restore(self, content: Mapping[str, Any]) -> None:
        self._catalogue.groups.restore(content["groups"])
        for container, blobs in content["blobs"].items():
            self._cloud.blobs.create(container)
            for blob in blobs:
                self._restore_blob(container, Blob(**{**blob, "path": Path(blob["path"])}))
        stood = [_resource(one) for one in content["resources"]]
        for resource in stood:
            self._cloud.store.put(_settled(resource))
        for resource in stood:
            if resource.state == "Deleting":  # what was accepted is done
                self._cloud.store.remove(resource.id)
        for resource in self._cloud.store.below(""):
            if resource.id.type.endswith(DEPLOYMENT) and resource.state == "Succeeded":
                self._bring_back(resource)
        self._catalogue.revisions.bring_back()
        self._catalogue.instances.bring_back()

    def _restore_blob(self, container: str, blob: Blob) -> None:
        """Keep a blob whose file is whole; one that is not is left out and named in the log."""
        with suppress(OSError):
            if blob.path.stat().st_size == blob.size:
                self._cloud.blobs.put(container, blob)
                return
        log.error("blob %s/%s is lost: %s is not whole", container, blob.name, blob.path)

    def _bring_back(self, resource: Resource) -> None:
        """Start the model servers of a deployment; it is updating until they answer."""
        self._cloud.store.change(resource.id, provisioningState="Updating")
        self._cloud.operations.start(resource.id, lambda: self._roll(resource))

    def _roll(self, resource: Resource) -> None:
        state = "Failed"
        try:
            wanted = Specification.read(self._cloud, resource.body)
            self._catalogue.rollout.roll(resource, wanted, None)
            state = "Succeeded"
        except AzureError as error:
            log.warning("%s did not come back: %s", resource.id.path, error)
        self._cloud.store.change(resource.id, provisioningState=state)


def _read(file: Path) -> dict[str, Any] | None:
    """Return what a file holds; one that cannot be read is put aside and named in the log."""
    try:
        content: dict[str, Any] = json.loads(file.read_text())
        if content["form"] == FORM:
            return content
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        log.error("%s cannot be read: %s", file, error)
    file.rename(file.with_name(f"{file.name}.aside"))
    log.error("%s was put aside", file)
    return None


def _resource(record: Mapping[str, Any]) -> Resource:
    identifier = {
        **record["id"],
        "pairs": tuple((kind, name) for kind, name in record["id"]["pairs"]),
    }
    return Resource(ResourceId(**identifier), record["body"], record["created"], record["modified"])


def _settled(resource: Resource) -> Resource:
    """End what was under way when the emulator ended: no thread works on it any more."""
    if resource.properties.get("status") == "Running":
        return resource.changed(status="Failed")
    if resource.state in ("Creating", "InProgress", "Provisioning", "Pending"):
        return resource.changed(provisioningState="Failed")
    if resource.state == "Updating":  # What it was to become is what comes up.
        return resource.changed(provisioningState="Succeeded")
    return resource
