"""The router's HTTP face: requests for endpoints, and the deployer's orders under ``/-/``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from deploy.local.fleet import Fleet, RefusedError, Running

#: Names one deployment in a request, and tells who answered in the answer.
HEADER = "x-deployment"

#: Of one connection, not of the message (RFC 9110, 7.6.1), or set anew by whoever sends.
HOP = frozenset(
    ("connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer")
    + ("transfer-encoding", "upgrade", HEADER)
)

#: A model has 60 s for an answer, as on SageMaker. A connection is not used again after 2 s of
#: rest, well before the server closes it: closing and sending could cross.
TIMEOUT = httpx.Timeout(60.0, connect=5.0, pool=None)
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=2.0)


def create_router(fleet: Fleet, *, emptied: Callable[[], None]) -> Starlette:
    """Return the router as an ASGI application.

    Parameters
    ----------
    fleet : Fleet
        The endpoints; ended with the application.
    emptied : callable
        Called when the last endpoint is gone.
    """
    client = httpx.AsyncClient(timeout=TIMEOUT, limits=LIMITS, trust_env=False)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await fleet.close()
        await client.aclose()

    async def forward(request: Request) -> Response:
        return await _forward(request, fleet, client)

    async def delete(request: Request) -> Response:
        await fleet.delete(request.path_params["endpoint"])
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
        Route(f"{one}/deployments/{{name}}", _orders(fleet, _deploy), methods=["PUT"]),
        Route(f"{one}/deployments/{{name}}", _orders(fleet, _undeploy), methods=["DELETE"]),
        Route("/endpoints/{endpoint}/{path:path}", forward, methods=every),
    ]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={RefusedError: _refuse})


Order = Callable[[Fleet, Request], Awaitable[Any]]


def _orders(fleet: Fleet, order: Order) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return JSONResponse(await order(fleet, request))

    return answer


async def _list(fleet: Fleet, _: Request) -> Any:
    return sorted(fleet.endpoints)


async def _describe(fleet: Fleet, request: Request) -> Any:
    served = fleet.find(request.path_params["endpoint"])
    deployments = [_record(running) for running in served.deployments.values()]
    return {"traffic": dict(served.traffic), "deployments": deployments}


async def _split(fleet: Fleet, request: Request) -> Any:
    fleet.split(request.path_params["endpoint"], await request.json())


async def _deploy(fleet: Fleet, request: Request) -> Any:
    fleet.deploy(await request.json())


async def _undeploy(fleet: Fleet, request: Request) -> Any:
    await fleet.undeploy(request.path_params["endpoint"], request.path_params["name"])


def _record(running: Running) -> dict[str, Any]:
    state, reason = running.state()
    told = {"state": state, "reason": reason, "created": running.created.isoformat()}
    return {**running.release, **told, "in_flight": running.in_flight}


async def _refuse(_: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RefusedError) else 500
    return JSONResponse({"error": str(error)}, status_code=status)


async def _forward(request: Request, fleet: Fleet, client: httpx.AsyncClient) -> Response:
    """Send a request on to whose turn it is, once, and the answer back as it comes."""
    body = await request.body()
    async with AsyncExitStack() as stack:
        turn = fleet.turn(request.path_params["endpoint"], request.headers.get(HEADER))
        name, running = stack.enter_context(turn)
        url = httpx.URL(f"{running.server.url}/{request.path_params['path']}")
        asked = client.build_request(
            request.method,
            url.copy_with(query=request.url.query.encode() or None),
            headers=_kept(request.headers.raw),
            content=body,
        )
        try:
            answer = await client.send(asked, stream=True)
        except httpx.TransportError as error:
            what = f"{name} did not answer: {type(error).__name__} {error}"
            return JSONResponse({"error": what.strip()}, status_code=502)
        stack.push_async_callback(answer.aclose)
        open_turn = stack.pop_all()
    return StreamingResponse(
        _passed_on(answer, open_turn),
        status_code=answer.status_code,
        headers=dict(_texts(_kept(answer.headers.raw, length=True))) | {HEADER: name},
    )


async def _passed_on(answer: httpx.Response, open_turn: AsyncExitStack) -> AsyncIterator[bytes]:
    async with open_turn:
        async for chunk in answer.aiter_raw():
            yield chunk


def _kept(headers: list[tuple[bytes, bytes]], *, length: bool = False) -> list[tuple[bytes, bytes]]:
    kept = {"content-length"} if length else set()
    return [(k, v) for k, v in headers if k.decode("latin-1").lower() not in HOP - kept]


def _texts(headers: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
