"""Bundles of a bucket that nobody uses, and marks of those who are gone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tridock.deploy.gcp.errors import translated
from tridock.deploy.gcp.store import PREFIX, Store
from tridock.deploy.target.errors import NotFoundError
from tridock.deploy.target.leftovers import Leftover
from tridock.inference.bundle.manifest import MANIFEST

MARK, BUNDLE = "mark of use", "stored bundle"

#: ``<digest>/model/<file>``, or ``<digest>/used-by/<user>``: all else below is not ours.
FILE = re.compile(r"([0-9a-f]{64})/model/.+")
USE = re.compile(r"([0-9a-f]{64})/used-by/([a-z0-9-]+--[a-z0-9-]+)")


@dataclass(frozen=True)
class StoredRemains:
    """What is left over in one bucket."""

    store: Store

    def found(self, users: Callable[[], set[str]]) -> Iterator[Leftover]:
        """Yield marks of those who are gone, and bundles that bear no others.

        Parameters
        ----------
        users : callable
            Returns who is there, ``<endpoint>--<deployment>``.
        """
        objects = self._objects()  # first: a mark is written before its user is made
        there, kept = users(), set()
        for name, blob in objects.items():
            use = USE.fullmatch(name)
            if use and (use[2] in there or self._is_elsewhere(blob)):
                kept.add(use[1])
            elif use:
                endpoint, why = use[2].partition("--")[0], "who used the bundle is gone"
                yield Leftover(MARK, f"{use[1]}/{use[2]}", endpoint, blob.time_created, why)
        for digest, files in self._bundles(objects).items():
            if digest not in kept:
                half = "" if f"{digest}/model/{MANIFEST}" in files else ", and is half stored"
                made = min(objects[name].time_created for name in files)
                yield Leftover(BUNDLE, digest, "", made, f"it has no user{half}")

    def marked(self) -> set[str]:
        """Return the digests of the bundles that bear marks."""
        return {use[1] for name in self._objects() if (use := USE.fullmatch(name))}

    def discard(self, one: Leftover) -> None:
        """Delete a mark, or a bundle's files: without its manifest, the rest is no bundle."""
        digest, _, user = one.name.partition("/")
        names = [f"{digest}/used-by/{user}"]
        if one.kind == BUNDLE:
            names = self._bundles(self._objects()).get(digest, [])
        for name in sorted(names, key=lambda one: (not one.endswith(f"/{MANIFEST}"), one)):
            with suppress(NotFoundError), translated("storage:Delete"):
                self.store.client.bucket(self.store.bucket).blob(PREFIX + name).delete(retry=None)

    def _objects(self) -> dict[str, Any]:
        with translated("storage:List"):
            found = self.store.client.list_blobs(self.store.bucket, prefix=PREFIX, retry=None)
            return {blob.name.removeprefix(PREFIX): blob for blob in found}

    def _bundles(self, objects: dict[str, Any]) -> dict[str, list[str]]:
        found = defaultdict(list)
        for name in objects:
            if file := FILE.fullmatch(name):
                found[file[1]].append(name)
        return dict(found)

    def _is_elsewhere(self, mark: Any) -> bool:
        """Tell whether a mark is of another location, where nobody looked."""
        with suppress(NotFoundError), translated("storage:Get"):
            told = mark.download_as_bytes(retry=None).decode(errors="replace")
            return bool(told) and told != self.store.location
        return False
