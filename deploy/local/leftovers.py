"""What stands in the local target's folder and serves nothing: bundles, drafts of them, logs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tridock.deploy.target.errors import ConflictError
from tridock.deploy.target.leftovers import Leftover

BUNDLE, DRAFT, LOGS = "stored bundle", "half stored bundle", "log folder"
#: What a bundle's folder is called, and what `tempfile` calls the folder where one is copied.
DIGEST, TEMPORARY = re.compile(r"[0-9a-f]{64}"), re.compile(r"tmp[a-z0-9_]{8}")


@dataclass(frozen=True)
class Remains:
    """What is left over in one folder.

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

    def found(self) -> Iterator[Leftover]:
        """Yield all of it."""
        for path in sorted((self.folder / "bundles").glob("*")):
            if DIGEST.fullmatch(path.name) and path.name not in self.running:
                yield Leftover(BUNDLE, path.name, "", _made(path), "no deployment runs it")
            if TEMPORARY.fullmatch(path.name):
                yield Leftover(DRAFT, path.name, "", _made(path), "an upload was cut short")
        for path in sorted((self.folder / "servers").glob("*")):
            if path.name not in self.endpoints:
                why = "its endpoint is gone"
                yield Leftover(LOGS, path.name, path.name, _made(path), why)

    def discard(self, leftover: Leftover) -> None:
        """Delete one."""
        if leftover.name in (*self.running, *self.endpoints):
            raise ConflictError(f"{leftover} is used again")
        place = "servers" if leftover.kind == LOGS else "bundles"
        shutil.rmtree(self.folder / place / leftover.name, ignore_errors=True)


def _made(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
