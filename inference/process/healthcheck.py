"""Is the model server of this container ready? The image's HEALTHCHECK: exit code 0 or 1."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping

from tridock.inference.settings import port

#: Docker kills a check after 3 s; silence is distinguished from that.
PATIENCE_SECONDS = 2.0


def beats(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether the server at this container's port answers ``GET /readyz`` with 200.

    By a bare socket: an HTTP client takes longer to import than to ask.
    """
    address = ("127.0.0.1", port(None, environment))
    try:
        with socket.create_connection(address, PATIENCE_SECONDS) as connection:
            connection.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
            return connection.recv(64).split()[1:2] == [b"200"]
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(not beats())
