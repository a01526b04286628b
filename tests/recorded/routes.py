"""Requests that every server gets: each route, each method, and bytes that are no request."""

from __future__ import annotations

from collections.abc import Iterator

from tests.recorded.exchange import JSON, Shot, get, request, shot

METHODS = ("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH")
PLAIN = (
    "/",
    "/ping",
    "/ping/",
    "/health",
    "/healthz",
    "/readyz",
    "/execution-parameters",
    "/metrics",
    "/docs",
    "/docs/",
    "/openapi.json",
    "/swagger.json",
    "/swagger.json?version=2",
    "/swagger.json?version=3",
    "/swagger.json?version=3.1",
    "/swagger.json?version=9",
    "/v1/models",
    "/v2",
    "/v2/",
    "/v2/health/live",
    "/v2/health/ready",
    "/nowhere",
    "/nowhere?with=query",
    "/%2e%2e/etc/passwd",
    "/invocations",
    "/score",
    "/score?a=1",
    "/predict",
)
#: Below the address of a model; of the first protocol and of the second.
OF_MODEL = ("", "/ready", "/versions/{version}", "/versions/{version}/ready", "/infer")


def shots(model: str, version: str) -> Iterator[Shot]:
    """Yield the requests that need no body which fits the model."""
    yield from (get(path) for path in PLAIN)
    for name, number in ((model, version), ("other", version), (model, "99")):
        paths = [path.format(version=number) for path in OF_MODEL]
        yield from (
            get(f"/v2/models/{name}{path}", x_request_id=f"caller-{number}") for path in paths
        )
        yield get(f"/v1/models/{name}", x_request_id=f"caller-{number}")
        yield get(f"/v1/models/{name}/versions/{number}", x_request_id=f"caller-{number}")
    yield shot("POST", "/v2/repository/index", b"{}", JSON)
    yield shot("POST", "/v2/repository/index", b"")
    yield get("/v2/repository/index")


def methods() -> Iterator[Shot]:
    """Yield methods that routes take or refuse."""
    for path in ("/ping", "/invocations", "/v2", "/metrics", "/docs", "/nowhere", "/score"):
        for method in METHODS:
            body = b"{}" if method in ("PUT", "PATCH") else None
            yield shot(method, path, body)
    yield shot("POST", "/ping", b"{}", JSON)
    yield shot("POST", "/docs", b"{}", JSON)
    yield shot("BREW", "/predict", b"{}", JSON)
    yield shot("TRACE", "/ping")
    yield shot("HEAD", "/swagger.json")
    yield Shot("OPTIONS *", request("OPTIONS", "*"))


def framing(body: bytes) -> Iterator[Shot]:
    """Yield good and bad HTTP around a body that fits the model."""
    yield from _whole(body)
    yield from _chunked(body)
    yield from _broken(body)


def _whole(body: bytes) -> Iterator[Shot]:
    post = request("POST", "/invocations", body, JSON)
    close = {**JSON, "connection": "close"}
    yield shot("POST", "/invocations", body, close)
    yield Shot("pipelined", post + request("GET", "/ping") + post, answers=3)
    yield Shot("pipelined, second is none", post + b"nonsense\r\n\r\n", answers=3)
    yield Shot("old HTTP", post.replace(b"HTTP/1.1", b"HTTP/1.0"))
    kept = request("POST", "/invocations", body, {**JSON, "connection": "keep-alive"})
    yield Shot("old HTTP, keep-alive", kept.replace(b"HTTP/1.1", b"HTTP/1.0"))
    yield Shot("no host", post.replace(b"host: model\r\n", b""))
    yield Shot("two hosts", post.replace(b"host: model", b"host: model\r\nhost: other"))
    yield Shot("absolute address", post.replace(b" /invocations", b" http://model/invocations"))
    yield shot("POST", "/invocations", body, {**JSON, "expect": "100-continue"})
    yield shot("POST", "/invocations", body, {**JSON, "expect": "202-maybe"})
    upgrade = {**JSON, "connection": "upgrade", "upgrade": "h2c"}
    yield shot("POST", "/invocations", body, upgrade)
    yield shot("POST", "/invocations", body, {**JSON, "x-request-id": "caller-7"})
    yield shot("POST", "/invocations", body, {**JSON, "x-request-id": "has blank"})
    yield shot("POST", "/invocations", body, {**JSON, "x-ms-client-request-id": "caller-8"})
    attributes = {
        **JSON,
        "x-amzn-sagemaker-custom-attributes": "a=b",
        "x-ms-request-id": "caller-9",
    }
    yield shot("POST", "/invocations", body, attributes)
    yield shot("POST", "/invocations", body, {**JSON, "origin": "https://page.example"})


def _chunked(body: bytes) -> Iterator[Shot]:
    head = request("POST", "/invocations", None, {**JSON, "transfer-encoding": "chunked"})
    half = len(body) // 2
    parts = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]))
    yield Shot("chunked", head + parts + b"0\r\n\r\n")
    yield Shot("chunked with a trailer", head + parts + b"0\r\nx-late: 1\r\n\r\n")
    yield Shot("chunk of no size", head + b"xyz\r\n" + body + b"\r\n0\r\n\r\n")
    both = head.replace(b"\r\n\r\n", b"\r\ncontent-length: 5\r\n\r\n", 1)
    yield Shot("chunked and with a length", both + parts + b"0\r\n\r\n")
    yield Shot("encoded otherwise", head.replace(b"chunked", b"gzip") + body)


def _broken(body: bytes) -> Iterator[Shot]:
    post = request("POST", "/invocations", body, JSON)
    length = b"content-length: %d" % len(body)
    yield Shot("no HTTP", b"hello\r\n\r\n")
    yield Shot("TLS", bytes.fromhex("160301020001000001fc0303") + bytes(64))
    yield Shot("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    yield Shot("unknown version", b"GET /ping HTTP/9.9\r\nhost: model\r\n\r\n")
    yield Shot("no path", b"GET  HTTP/1.1\r\nhost: model\r\n\r\n")
    yield Shot("path without slash", b"GET ping HTTP/1.1\r\nhost: model\r\n\r\n")
    yield Shot("path beyond ASCII", "GET /pïng HTTP/1.1\r\nhost: model\r\n\r\n".encode())
    yield Shot("header without colon", b"GET /ping HTTP/1.1\r\nhost model\r\n\r\n")
    yield Shot("header with a null", b"GET /ping HTTP/1.1\r\nhost: m\x00l\r\n\r\n")
    yield Shot("blank before colon", b"GET /ping HTTP/1.1\r\nhost : model\r\n\r\n")
    yield Shot("two lengths", post.replace(length, length + b"\r\ncontent-length: 3"))
    yield Shot("negative length", post.replace(length, b"content-length: -1"))
    yield Shot("length that is a word", post.replace(length, b"content-length: many"))
    yield Shot("no length", post.replace(length + b"\r\n", b"").replace(body, b""))
    yield Shot("long URL", request("GET", "/ping?" + "a" * 70_000))
    yield Shot("long header", request("GET", "/ping", None, {"x-long": "a" * 70_000}))
    many = {f"x-{number}": "a" * 100 for number in range(800)}
    yield Shot("many headers", request("GET", "/ping", None, many))
    yield Shot("declared too long", post.replace(length, b"content-length: 999999999999"))
