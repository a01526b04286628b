"""The router's HTTP face: requests for endpoints, and the deployer's orders under ``/-/``."""

from __future__ import annotations

import hmac
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tridock.deploy.local import orders
from tridock.deploy.local.fleet import Fleet, RefusedError, Running
from tridock.deploy.local.record import Entry, Record
from tridock.deploy.local.sender import ForwardedRequest, Sender
from tridock.deploy.target.metrics import Answer, summed

#: Names one deployment in a request, and the one that answered in the answer.
HEADER = "x-deployment"
#: The request's id: the caller's, else one given here; the model server's log has it, too.
ID = "x-request-id"

#: Of one connection, not of the message (RFC 9110, 7.6.1), or set anew by each sender.
HOP = frozenset(
    ("connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer")
    + ("transfer-encoding", "upgrade", HEADER)
)


#: Longest body of a request for a model, and how much of one is held in memory before it is sent.
BODY_BYTES, HELD_BYTES = 32 << 20, 256 << 10


def create_router(fleet: Fleet, secret: str, *, emptied: Callable[[], None]) -> ASGIApp:
    """Return the router as an ASGI application.

    Parameters
    ----------
    fleet : Fleet
        The endpoints; ended with the application.
    secret : str
        What each order has to bring.
    emptied : callable
        Called when the last endpoint is gone.
    """
    sender = Sender()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await fleet.close()
        await sender.close()

    async def forward(request: Request) -> Response:
        return await _forward(request, fleet, sender)

    async def delete(request: Request) -> Response:
        await fleet.delete(orders.place(request)[0])
        if not fleet.endpoints:
            emptied()
        return Response(status_code=204)

    one = "/-/endpoints/{endpoint}"
    every = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    routes = [
        Route("/-/endpoints", _orders(fleet, _list), methods=["GET"]),
        Route(one, _orders(fleet, _describe), methods=["GET"]),
        Route(one, delete, methods=["DELETE"]),
        Route(f"{one}/traffic", _orders(fleet, _split), methods=["PUT"]),
        Route(f"{one}/shadow", _orders(fleet, _copy), methods=["PUT"]),
        Route(f"{one}/deployments/{{name}}/metrics", _orders(fleet, _sum), methods=["GET"]),
        Route(f"{one}/deployments/{{name}}/answers", _orders(fleet, _recall), methods=["GET"]),
        Route(f"{one}/deployments/{{name}}", _orders(fleet, _deploy), methods=["PUT"]),
        Route(f"{one}/deployments/{{name}}", _orders(fleet, _undeploy), methods=["DELETE"]),
        Route("/endpoints/{endpoint}/{path:path}", forward, methods=every),
    ]
    handlers = {RefusedError: _refuse, ClientDisconnect: _left}
    return Guard(Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers), secret)


Order = Callable[[Fleet, Request], Awaitable[Any]]


def _orders(fleet: Fleet, order: Order) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return JSONResponse(await order(fleet, request))

    return answer


async def _list(fleet: Fleet, _: Request) -> Any:
    return sorted(fleet.endpoints)


async def _describe(fleet: Fleet, request: Request) -> Any:
    served = fleet.find(orders.place(request)[0])
    deployments = [_record(running) for running in served.deployments.values()]
    shares = {"traffic": dict(served.traffic), "shadow": dict(served.shadow)}
    return {**shares, "deployments": deployments}


async def _split(fleet: Fleet, request: Request) -> Any:
    fleet.split(orders.place(request)[0], orders.split(await orders.document(request)))


async def _copy(fleet: Fleet, request: Request) -> Any:
    wanted = orders.copies(await orders.document(request))
    fleet.copy(orders.place(request)[0], wanted.name, wanted.percent)


async def _sum(fleet: Fleet, request: Request) -> Any:
    return asdict(summed(_answers_since(fleet, request)))


async def _recall(fleet: Fleet, request: Request) -> Any:
    return [asdict(answer) for answer in _answers_since(fleet, request)]


def _answers_since(fleet: Fleet, request: Request) -> list[Answer]:
    return fleet.running(*orders.place(request)).record.since(orders.since(request))


async def _deploy(fleet: Fleet, request: Request) -> Any:
    endpoint, name = orders.place(request)
    fleet.deploy(orders.release(endpoint, name, await orders.document(request)))


async def _undeploy(fleet: Fleet, request: Request) -> Any:
    await fleet.undeploy(*orders.place(request))


def _record(running: Running) -> dict[str, Any]:
    state, reason = running.supervised.state()
    restarts = running.supervised.restarts
    return {
        **asdict(running.release),
        "state": state,
        "reason": reason,
        "created": running.created.isoformat(),
        "restarts": restarts.count,
        "last_exit": restarts.last_exit,
        "next_try": restarts.next_try,
        "in_flight": running.in_flight,
    }


async def _refuse(_: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RefusedError) else 500
    return JSONResponse({"error": str(error)}, status_code=status)


async def _left(_: Request, __: Exception) -> Response:
    """Answer a client that has gone, as nginx notes it; it is not sent."""
    return Response(status_code=499)


async def _forward(request: Request, fleet: Fleet, sender: Sender) -> Response:
    """Send a request on to whose turn it is, once, and the answer back as it comes."""
    endpoint, wanted = request.path_params["endpoint"], request.headers.get(HEADER)
    body = await _read(request)
    async with AsyncExitStack() as stack:
        name, running = stack.enter_context(fleet.turn(endpoint, wanted))
        counted = request.method == "POST" and not wanted
        record = running.record if counted else Record()
        entry = stack.enter_context(record.entry(body.id))
        shadow = fleet.next_copy(endpoint) if counted and body.rest is None else None
        if shadow:
            sender.copy(body, shadow)
        try:
            answer = await sender.send(body, running)
        except httpx.TransportError as error:
            what = f"{name} did not answer: {type(error).__name__} {error}"
            return JSONResponse({"error": what.strip()}, status_code=502)
        except (RefusedError, ClientDisconnect) as error:  # the caller's fault, and not the model's
            entry.status = error.status if isinstance(error, RefusedError) else 499
            raise
        stack.push_async_callback(answer.aclose)
        entry.status = answer.status_code
        open_turn = stack.pop_all()
    return StreamingResponse(
        _passed_on(answer, open_turn, entry),
        status_code=answer.status_code,
        headers=dict(_texts(_kept(answer.headers.raw, length=True))) | {HEADER: name},
    )


async def _read(request: Request) -> ForwardedRequest:
    """Read a request, to its end if it is short; one without an id gets one."""
    declared = request.headers.get("content-length", "")
    if declared and (not declared.isdecimal() or int(declared[:20]) > BODY_BYTES):
        raise _too_large()
    given = request.headers.get(ID, "")
    body, rest = await _held(request.stream())
    headers = _kept(request.headers.raw, length=rest is not None)
    if not given:
        given = uuid.uuid4().hex
        headers.append((ID.encode(), given.encode()))
    target = httpx.URL(path=f"/{request.path_params['path']}")
    target = target.copy_with(query=request.url.query.encode() or None)
    return ForwardedRequest(given, request.method, target, headers, body, rest)


async def _held(stream: AsyncIterator[bytes]) -> tuple[bytes, AsyncIterator[bytes] | None]:
    """Return a body, or its beginning and what follows."""
    body = bytearray()
    async for chunk in stream:
        body += chunk
        if len(body) > HELD_BYTES:
            return bytes(body), _bounded(stream, BODY_BYTES - len(body))
    return bytes(body), None


async def _bounded(stream: AsyncIterator[bytes], left: int) -> AsyncIterator[bytes]:
    async for chunk in stream:
        left -= len(chunk)
        if left < 0:
            raise _too_large()
        yield chunk


def _too_large() -> RefusedError:
    return RefusedError(413, f"the body has more than {BODY_BYTES} bytes: send less at a time")


async def _passed_on(
    answer: httpx.Response, open_turn: AsyncExitStack, entry: Entry
) -> AsyncIterator[bytes]:
    async with open_turn:
        async for chunk in answer.aiter_raw():
            entry.take(chunk)
            yield chunk


def _kept(headers: list[tuple[bytes, bytes]], *, length: bool = False) -> list[tuple[bytes, bytes]]:
    kept = {"content-length"} if length else set()
    return [(k, v) for k, v in headers if k.decode("latin-1").lower() not in HOP - kept]


def _texts(headers: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


# Access to the router: its orders need a secret, and no web page of a browser reaches it.

#: Names of this machine by which clients reach the router.
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
#: Values of Sec-Fetch-Site that no page of another site can have caused (W3C «Fetch Metadata
#: Request Headers», 2.3).
TRUSTED_SITES = ("same-origin", "none")
#: Where requests for models come; every other path is an order.
OPEN = "/endpoints/"


class Guard:
    """Refuses what a stranger or a web page sends, before anything of it is read.

    Parameters
    ----------
    app : ASGIApp
        The router.
    secret : str
        What orders carry as a bearer token (RFC 6750, 2.1).
    """

    def __init__(self, app: ASGIApp, secret: str) -> None:
        self._app = app
        self._secret = secret.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or 403, or hand the request on."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            why, status = page_refusal(headers), 403
            if not why and not scope["path"].startswith(OPEN) and not self._is_authorized(headers):
                why, status = "orders need the secret of the router's state folder", 401
            if why:
                answer = JSONResponse({"error": why}, status_code=status)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_authorized(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), self._secret)


def page_refusal(headers: Headers) -> str:
    """Return why a request may be a web page's; empty if it cannot be.

    A browser sends `Origin` and `Sec-Fetch-Site` with requests that a page of another site makes,
    and a page whose name was bound to the loopback (DNS rebinding) sends its own name as `Host`.
    """
    hosts = headers.getlist("host")
    if len(hosts) != 1 or _name(hosts[0].lower()) not in LOOPBACK:
        return f"the Host header {', '.join(hosts)!r} names no host of this router"
    for origin in headers.getlist("origin"):
        if urlsplit(origin).netloc.lower() != hosts[0].lower():
            return f"requests of web pages are refused, and this one has the Origin {origin!r}"
    for site in headers.getlist("sec-fetch-site"):
        if site not in TRUSTED_SITES:
            return f"requests of web pages are refused; this one has the Sec-Fetch-Site {site!r}"
    return ""


def _name(host: str) -> str:
    """Return a Host header's name without its port (RFC 9110, 7.2)."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
