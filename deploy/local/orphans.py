"""Files of the local target's folder that serve nothing: bundles, drafts of them, logs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tridock.deploy.target.errors import ConflictError
from tridock.deploy.target.records import Orphan

BUNDLE, DRAFT, LOGS = "stored bundle", "half stored bundle", "log folder"
#: What a bundle's folder is called, and what `tempfile` calls the folder where one is copied.
DIGEST, TEMPORARY = re.compile(r"[0-9a-f]{64}"), re.compile(r"tmp[a-z0-9_]{8}")


@dataclass(frozen=True)
class Remains:
    """Orphans of one state folder.

    Attributes
    ----------
    folder : Path
        The target's.
    running : Collection of str
        Digests of the bundles that deployments run.
    endpoints : Collection of str
        The endpoints there are.
    """

    folder: Path
    running: Collection[str]
    endpoints: Collection[str]

    def found(self) -> Iterator[Orphan]:
        """Yield all of it."""
        for path in sorted((self.folder / "bundles").glob("*")):
            if DIGEST.fullmatch(path.name) and path.name not in self.running:
                yield Orphan(BUNDLE, path.name, "", _made(path), "no deployment runs it")
            if TEMPORARY.fullmatch(path.name):
                yield Orphan(DRAFT, path.name, "", _made(path), "an upload was cut short")
        for path in sorted((self.folder / "servers").glob("*")):
            if path.name not in self.endpoints:
                why = "its endpoint is gone"
                yield Orphan(LOGS, path.name, path.name, _made(path), why)

    def discard(self, orphan: Orphan) -> None:
        """Delete one."""
        if orphan.name in (*self.running, *self.endpoints):
            raise ConflictError(f"{orphan} is used again")
        place = "servers" if orphan.kind == LOGS else "bundles"
        shutil.rmtree(self.folder / place / orphan.name, ignore_errors=True)


def _made(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
