"""Names of methods that Google documents and the emulator has not, to say which was called."""

from __future__ import annotations

import json
from functools import cache

from tridock.emulators.gcp.protocol.errors import UnimplementedError
from tridock.emulators.gcp.protocol.schema import FOLDER, pattern
from tridock.emulators.gcp.protocol.wire import Request


def unimplemented(request: Request) -> UnimplementedError:
    """Return the error that names the method of `request`, as far as Google's documents tell."""
    for name, verb, route in _documents():
        plain = request.path.removeprefix("/upload").removeprefix("/download")
        if verb == request.verb and pattern(route).fullmatch(plain):
            return UnimplementedError(f"{name} is not emulated.")
    return UnimplementedError(f"{request.verb} {request.path} is not emulated.")


@cache
def _documents() -> tuple[tuple[str, str, str], ...]:
    found = json.loads((FOLDER / "documents.json").read_text())
    return tuple(tuple(entry) for api in found.values() for entry in api)
