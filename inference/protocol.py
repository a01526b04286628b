"""HTTP as uvicorn reads it, its last plain-text answer put into JSON like all others."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from inference.codec.jsontext import dumps

MESSAGE = "the request is not HTTP/1.1: nothing of it could be read"


class Protocol(HttpToolsProtocol):
    """uvicorn's reader of HTTP, built on httptools."""

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP request, and close the connection."""
        body = dumps({"error": MESSAGE, "code": "not_http"})
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
