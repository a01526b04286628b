"""A load generator that knows what became of every request: answered with which status, or lost."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

#: What is not answered so long after the last request was sent counts as lost.
LAST_SECONDS = 30.0


@dataclass
class Tally:
    """What happened to the requests of one load.

    Attributes
    ----------
    sent : int
        Written whole on an established connection: from then on the server's affair.
    statuses : Counter
        How many answers had which status.
    seconds : list of float
        How long each answer with 200 took.
    lost : int
        Sent, and the connection ended without a whole answer.
    unsent : int
        Due, while all connections were waiting for answers or the server took no more.
    rate : float
        Answers with 200 a second, of those that came while requests were sent.
    """

    sent: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    lost: int = 0
    unsent: int = 0
    rate: float = 0.0
    began: float = field(default_factory=time.perf_counter)

    @property
    def answered(self) -> int:
        """All whole answers."""
        return sum(self.statuses.values())

    def stop(self) -> None:
        """Take the rate now: what comes later was waiting."""
        self.rate = self.rate or self.statuses[200] / (time.perf_counter() - self.began)

    def percentile_ms(self, percent: int) -> float:
        """Return a percentile of the times of answers with 200, in ms; 0 if there are none."""
        if len(self.seconds) < 2:
            return 1e3 * sum(self.seconds)
        return 1e3 * statistics.quantiles(self.seconds, n=100)[percent - 1]


class Caller(asyncio.Protocol):
    """One connection that sends one request at a time.

    Parameters
    ----------
    tally : Tally
        Counts.
    request : bytes
        What it sends.
    done : callable
        Called after each answer, with whether the connection may carry another request.
    """

    def __init__(self, tally: Tally, request: bytes, done: Callable[[Caller, bool], None]) -> None:
        self._tally, self._request, self._done = tally, request, done
        self._transport: asyncio.Transport | None = None
        self._seen = b""
        self._sent_at = 0.0
        self.waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self) -> None:
        """Send the request."""
        assert self._transport is not None
        self.waits, self._sent_at, self._seen = True, time.perf_counter(), b""
        self._tally.sent += 1
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self._seen += data
        head, gap, body = self._seen.partition(b"\r\n\r\n")
        if not gap:
            return
        names = head.lower()
        length = int(names.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length or not self.waits:
            return
        self.waits = False
        status = int(head[9:12])
        self._tally.statuses[status] += 1
        if status == 200:
            self._tally.seconds.append(time.perf_counter() - self._sent_at)
        self._done(self, b"connection: close" not in names)

    def connection_lost(self, error: Exception | None) -> None:
        """Count a request that got no answer."""
        if self.waits:
            self.waits = False
            self._tally.lost += 1
            self._done(self, False)

    def close(self) -> None:
        """End the connection."""
        assert self._transport is not None
        self._transport.close()


def message(route: str, body: bytes) -> bytes:
    """Return a whole request."""
    head = f"POST {route} HTTP/1.1\r\nhost: model\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Load:
    """So many requests over so many connections, at one server of the loopback.

    Attributes
    ----------
    port : int
        Where it listens.
    request : bytes
        A whole request.
    seconds : float
        For how long to send.
    most : int
        Connections at the same time.
    """

    port: int
    request: bytes
    seconds: float
    most: int
    tally: Tally = field(default_factory=Tally)

    async def closed(self) -> Tally:
        """Keep every connection busy, each waiting for its answer, and let the last answers come.

        A connection that the server closes is made anew, until it takes no more.
        """
        self.tally = Tally()
        await asyncio.gather(*(self._keep_calling() for _ in range(self.most)))
        self.tally.stop()
        return self.tally

    async def opened(self, rate: float) -> Tally:
        """Send so many requests a second, whatever comes back, and let the last answers come."""
        self.tally = Tally()
        free: list[Caller] = []
        calls: set[asyncio.Task[None]] = set()
        count = 0
        while (since := time.perf_counter() - self.tally.began) < self.seconds:
            while count < since * rate:
                count += 1
                if free:
                    free.pop().send()
                elif len(calls) < self.most:
                    calls.add(call := asyncio.ensure_future(self._call(free)))
                    call.add_done_callback(calls.discard)
                else:
                    self.tally.unsent += 1
            await asyncio.sleep(0.001)
        self.tally.stop()
        await self._last_answers()
        for caller in free:
            caller.close()
        return self.tally

    async def _keep_calling(self) -> None:
        end = self.tally.began + self.seconds
        while time.perf_counter() < end:
            over = asyncio.Event()

            def done(caller: Caller, goes_on: bool, over: asyncio.Event = over) -> None:
                if goes_on and time.perf_counter() < end:
                    caller.send()
                else:
                    over.set()

            if not (caller := await self._connected(done)):
                break
            caller.send()
            await over.wait()
            caller.close()
        self.tally.stop()

    async def _call(self, free: list[Caller]) -> None:
        """Hold one connection until the server closes it; in between it waits among the free."""
        over = asyncio.Event()

        def done(caller: Caller, goes_on: bool) -> None:
            if goes_on:
                free.append(caller)
            else:
                over.set()

        if not (caller := await self._connected(done)):
            self.tally.unsent += 1
            return
        caller.send()
        await over.wait()
        caller.close()

    async def _connected(self, done: Callable[[Caller, bool], None]) -> Caller | None:
        loop = asyncio.get_running_loop()
        try:
            _, caller = await loop.create_connection(
                lambda: Caller(self.tally, self.request, done), "127.0.0.1", self.port
            )
        except OSError:
            return None
        return caller

    async def _last_answers(self) -> None:
        deadline = time.perf_counter() + LAST_SECONDS
        while self.tally.sent > self.tally.answered + self.tally.lost:
            if time.perf_counter() > deadline:
                return
            await asyncio.sleep(0.05)
