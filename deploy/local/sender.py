"""Requests to model servers, and copies of them whose answers are not awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import httpx

from tridock.deploy.local.fleet import Running

#: A model has 60 s for an answer, as on SageMaker. A connection is not used again after 2 s of
#: rest, well before the server closes it: closing and sending could cross.
TIMEOUT = httpx.Timeout(60.0, connect=5.0, pool=None)
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=2.0)


@dataclass(frozen=True)
class ForwardedRequest:
    """A request, read to its end or as far as is held in memory.

    Attributes
    ----------
    id : str
        Of the request; a copy has the same.
    target : httpx.URL
        Path and query.
    headers : list of tuple
        Those that are sent on.
    body : bytes
        All of it, or its beginning.
    rest : AsyncIterator of bytes or None
        What follows `body`, as it comes; None if that is all.
    """

    id: str
    method: str
    target: httpx.URL
    headers: list[tuple[bytes, bytes]]
    body: bytes
    rest: AsyncIterator[bytes] | None = None

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the body part by part; once, if it has a rest."""
        yield self.body
        if self.rest is not None:
            async for chunk in self.rest:
                yield chunk


class Sender:
    """Connections to model servers, and the copies that are on their way."""

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(timeout=TIMEOUT, limits=LIMITS, trust_env=False)
        self._copies: set[asyncio.Task[None]] = set()

    async def send(self, request: ForwardedRequest, running: Running) -> httpx.Response:
        """Send a request once; the answer's body is still to be read, and the answer to be closed.

        Raises
        ------
        httpx.TransportError
            If there is no answer.
        """
        url = httpx.URL(running.server.url).join(request.target)
        content = request.body if request.rest is None else request.content()
        sent = self._client.build_request(
            request.method, url, headers=request.headers, content=content
        )
        return await self._client.send(sent, stream=True)

    def copy(self, request: ForwardedRequest, running: Running) -> None:
        """Send a copy, and record its answer, while the caller goes on."""
        running.in_flight += 1
        task = asyncio.get_running_loop().create_task(self._copy(request, running))
        self._copies.add(task)
        task.add_done_callback(self._copies.discard)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _copy(self, request: ForwardedRequest, running: Running) -> None:
        try:
            with suppress(httpx.TransportError), running.record.entry(request.id) as entry:
                answer = await self.send(request, running)
                entry.status = answer.status_code
                entry.take(await answer.aread())
        finally:
            running.in_flight -= 1
