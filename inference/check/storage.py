"""A bundle as Vertex AI has it: in a bucket, which the container reads over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

#: Variables of a container: the address that clients of Cloud Storage use instead of Google's.
URI = "gs://check/model"
EMULATOR = "STORAGE_EMULATOR_HOST"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the files of `folder` as the objects below `URI`, and yield the service's address.

    Cloud Storage JSON API, «Objects: list» and «Objects: get», as much as a download needs.
    """
    names = {f"model/{file.relative_to(folder).as_posix()}": file for file in _files(folder)}
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Objects, names)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


class _Objects(BaseHTTPRequestHandler):
    #: Seconds for a caller to send or take something; else its connection is closed.
    timeout = 20

    def __init__(self, names: dict[str, Path], *more: Any) -> None:
        self._names = names
        super().__init__(*more)

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        _, _, name = asked.path.partition("/b/check/o")
        if not name:
            prefix = parse_qs(asked.query).get("prefix", [""])[0]
            items = [{"name": each} for each in self._names if each.startswith(prefix)]
            self._send(200, json.dumps({"items": items}).encode())
        elif file := self._names.get(unquote(name.removeprefix("/"))):
            self._send(200, file.read_bytes())
        else:
            self._send(404, b"{}")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _files(folder: Path) -> list[Path]:
    return sorted(each for each in folder.rglob("*") if each.is_file())
