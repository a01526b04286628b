"""What outlives the emulator: resources, blobs and groups in one file, metrics in another."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emulators.azure.blobs import Blob
from emulators.azure.catalogue import Catalogue
from emulators.azure.cloud import Cloud
from emulators.azure.errors import AzureError
from emulators.azure.resource import Resource, ResourceId
from emulators.azure.specification import Specification

log = logging.getLogger(__name__)

#: Changes are on disk after this many real seconds at the latest.
PAUSE = 0.1

#: Another form of the file is put aside, not read.
FORM = 1
DEPLOYMENT = "/onlineEndpoints/deployments"


class Memory:
    """Writes the state of a cloud as it changes, and reads it back.

    Parameters
    ----------
    cloud : Cloud
        What stands.
    catalogue : Catalogue
        What answers for it.
    """

    def __init__(self, cloud: Cloud, catalogue: Catalogue) -> None:
        self._cloud = cloud
        self._catalogue = catalogue
        self._file = cloud.place.folder / "state.json"
        self._written: tuple[int, int, int] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def start(self) -> None:
        """Read what stood before, bring its model servers up, and begin to write."""
        found = _read(self._file)
        if found:
            self._restore(found)
        self._cloud.measurements.restore()
        self._thread.start()

    def stop(self) -> None:
        """Write the last changes and end."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(PAUSE):
            self._write()
            self._cloud.measurements.write()
        self._write()
        self._cloud.measurements.write(all_of_it=True)

    def _write(self) -> None:
        parts = (self._cloud.store, self._cloud.blobs, self._catalogue.groups)
        now = (parts[0].changes, parts[1].changes, parts[2].changes)
        if now == self._written:
            return
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps(self._state()))
        draft.rename(self._file)
        self._written = now

    def _state(self) -> dict[str, Any]:
        resources = self._cloud.store.below("")
        return {
            "form": FORM,
            "groups": self._catalogue.groups.state(),
            "resources": [asdict(one) for one in resources],
            "blobs": self._cloud.blobs.state(),
        }

    def _restore(self, found: Mapping[str, Any]) -> None:
        self._catalogue.groups.restore(found["groups"])
        for container, blobs in found["blobs"].items():
            self._cloud.blobs.create(container)
            for one in blobs:
                self._cloud.blobs.put(container, Blob(**{**one, "path": Path(one["path"])}))
        stood = [_resource(one) for one in found["resources"]]
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
    try:
        found: dict[str, Any] = json.loads(file.read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        found = {}
    if found.get("form") != FORM:
        file.rename(file.with_suffix(".aside"))
        return None
    return found


def _resource(found: Mapping[str, Any]) -> Resource:
    identifier = {
        **found["id"],
        "pairs": tuple((kind, name) for kind, name in found["id"]["pairs"]),
    }
    return Resource(ResourceId(**identifier), found["body"], found["created"], found["modified"])


def _settled(resource: Resource) -> Resource:
    """End what was under way when the emulator ended: nobody is at it any more."""
    if resource.properties.get("status") == "Running":
        return resource.changed(status="Failed")
    if resource.state in ("Creating", "InProgress", "Provisioning", "Pending"):
        return resource.changed(provisioningState="Failed")
    if resource.state == "Updating":  # What it was to become is what comes up.
        return resource.changed(provisioningState="Succeeded")
    return resource
