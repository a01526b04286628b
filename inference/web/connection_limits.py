"""Bounds of one connection: how long, how large and how many the heads of requests may be."""

from __future__ import annotations

import resource
from enum import Enum

from tridock.inference.codec.body import dumps

#: Longest URL, and longest headers all together; httptools itself reads URLs up to this length.
MAX_URL_BYTES = 65_535
MAX_HEADER_BYTES = 65_536
#: Seconds after which a caller who does not take its answer is cut off.
SEND_SECONDS = 60.0
#: Seconds and bytes that a caller who is refused while it still sends may go on, so that it comes
#: to read the refusal: closing at once would reset the connection (RFC 9112, «9.6. Tear-down»).
LINGER_SECONDS = 5.0
LINGER_BYTES = 1 << 25
TOO_MANY = "too_many_connections"
#: Connections beyond the limit that may hear of it at the same time.
HEARING = 32
#: Files of a process that are none of its callers' connections.
OWN_FILES = 160
MOST_CONNECTIONS = 8192
#: A connection that waits for its caller gives way to a new one after this time.
PATIENT_SECONDS = 1.0


class Awaited(Enum):
    """Part of a request that a connection waits for."""

    HEAD = "its head"
    BODY = "the rest of its body"
    NOTHING = "nothing: it is there"
    END = "the caller's end: it was refused"


class RefusedError(Exception):
    """Bytes that cannot become a request, and the answer they get.

    Parameters
    ----------
    status : str
        HTTP status with its reason.
    code : str
        For machines.
    message : str
        For people.
    """

    def __init__(self, status: str, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def written(self) -> bytes:
        """Return the whole answer."""
        body = dumps({"error": str(self), "code": self.code})
        more = "retry-after: 1\r\n" if self.status.startswith("503") else ""
        head = (
            f"HTTP/1.1 {self.status}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n{more}connection: close\r\n\r\n"
        )
        return head.encode() + body


def not_http() -> RefusedError:
    """Refuse bytes that are no HTTP."""
    message = "the request is not HTTP/1.1: nothing of it could be read"
    return RefusedError("400 Bad Request", "not_http", message)


def wrong_url() -> RefusedError:
    """Refuse a URL that has no path, or characters that no URL has."""
    message = "the URL of the request has no path, or is not ASCII: percent-encode it"
    return RefusedError("400 Bad Request", "not_http", message)


def long_url() -> RefusedError:
    """Refuse a URL that is too long."""
    message = f"the URL is longer than {MAX_URL_BYTES} bytes: send the rows in the body"
    return RefusedError("414 URI Too Long", "url_too_long", message)


def long_headers() -> RefusedError:
    """Refuse headers that are too long."""
    message = f"the headers are longer than {MAX_HEADER_BYTES} bytes: send fewer"
    return RefusedError("431 Request Header Fields Too Large", "headers_too_large", message)


def late_head(seconds: float) -> RefusedError:
    """Refuse a request whose head does not come to its end."""
    message = f"the headers were not complete after {seconds:g} seconds: send the request again"
    return RefusedError("408 Request Timeout", "timed_out", message)


def too_many(connections: int) -> RefusedError:
    """Refuse a connection beyond the limit."""
    message = f"{connections} connections are open, which is the limit: try again in a moment"
    return RefusedError("503 Service Unavailable", TOO_MANY, message)


def most_connections() -> int:
    """Return how many connections this process may hold, by its limit of open files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    known = MOST_CONNECTIONS if files == resource.RLIM_INFINITY else files - OWN_FILES
    return max(16, min(known, MOST_CONNECTIONS))
