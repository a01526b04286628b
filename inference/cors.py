"""Cross-origin requests: which web pages' scripts may call this server (Fetch, «CORS protocol»)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tridock.inference.messages import Reply

#: An origin as browsers send it: scheme, host, port; nothing else.
ORIGIN = re.compile(r"\*|https?://[^\s/?#@,]+")
#: Headers whose names a browser asks for, as they are sent back.
NAMES = re.compile(rb"[!-~ ]{1,1024}")
METHODS = "GET, HEAD, POST"
#: Seconds for which a browser need not ask again.
MAX_AGE_SECONDS = 600


class Cors:
    """Headers that let scripts of the given origins read the answers.

    Without them, the default, a browser keeps the answers from scripts. Credentials are never
    allowed: this server knows none.

    Parameters
    ----------
    origins : tuple of str
        At least one, as browsers send them; ``"*"`` is every one.
    """

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def headers(self, sent: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        """Return what is added to the answer of a request with these headers."""
        added = [(b"vary", b"Origin")]
        if self._allows(sent):
            added.append((b"access-control-allow-origin", sent[b"origin"]))
            added.append((b"access-control-expose-headers", b"x-request-id, Retry-After"))
        return added

    def preflight(self, method: str, sent: Mapping[bytes, bytes]) -> Reply | None:
        """Return the answer to a browser's question before a request; None if it is none."""
        is_asked = method == "OPTIONS" and b"access-control-request-method" in sent
        if not (is_asked and self._allows(sent)):
            return None
        names = sent.get(b"access-control-request-headers", b"content-type")
        headers = {
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
        }
        if NAMES.fullmatch(names):
            headers["Access-Control-Allow-Headers"] = names.decode("ascii")
        return Reply(b"", "text/plain", headers=headers)

    def _allows(self, sent: Mapping[bytes, bytes]) -> bool:
        origin = sent.get(b"origin")
        if origin is None or not ORIGIN.fullmatch(origin.decode("latin-1")):
            return False
        return b"*" in self._origins or origin in self._origins
