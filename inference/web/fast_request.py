"""One plain request on its short way, and the bytes that answer it."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tridock.inference.messages import Reply, RequestRecord
from tridock.inference.web.request_headers import ANY_OF, echoed, request_id

if TYPE_CHECKING:
    from tridock.inference.codec.envelope import Envelope
    from tridock.inference.scheduling.batched_model import BatchedModel, Outcome
    from tridock.inference.web.http_protocol import Protocol


class FastRequest(RequestRecord):
    """A plain request on its short way; to uvicorn it is a request like all others.

    Parameters
    ----------
    protocol : Protocol
        The connection it came on.
    route : str
        Its path.
    sent : dict
        Its headers.
    """

    __slots__ = (
        "asked",
        "body",
        "disconnected",
        "envelope",
        "keep_alive",
        "latest",
        "protocol",
        "response_complete",
        "sent",
        "since",
        "batched_model",
    )
    asked: list[Any]
    envelope: Envelope
    since: float
    batched_model: BatchedModel

    #: What the batcher wants to know of an item.
    probabilities = False
    #: Its answer is written in one piece.
    response_started = False
    #: uvicorn wakes what waits for a caller here; nothing does.
    message_event = SimpleNamespace(set=lambda: None)

    def __init__(self, protocol: Protocol, route: str, sent: dict[bytes, bytes]) -> None:
        super().__init__("POST", request_id(sent), route)
        self.protocol = protocol
        self.sent = sent
        self.body = b""
        self.disconnected = False
        self.keep_alive = True
        self.latest = math.inf  # the batcher sets it
        self.response_complete = False

    def done(self, outcome: Outcome) -> None:
        """Send the answer, in one piece."""
        self.response_complete = True
        protocol = self.protocol
        answer = protocol.fast_path.answer(self, outcome)
        if self.disconnected or protocol.transport.is_closing():
            self.error = self.error or "disconnected"
        else:
            protocol.transport.write(self._message(answer))
            if not self.keep_alive:
                protocol.transport.close()
            protocol.on_response_complete()
        protocol.fast_path.leave(self)

    def _message(self, answer: bytes | Reply) -> bytes:
        if type(answer) is bytes and self.keep_alive and ANY_OF.isdisjoint(self.sent):
            self.status, self.bytes_out = 200, len(answer)
            opening = self.protocol.opening(200)
            return b"%b%d\r\nx-request-id: %b\r\n\r\n%b" % (
                opening,
                len(answer),
                self.request_id.encode(),
                answer,
            )
        reply = Reply(answer) if isinstance(answer, bytes) else answer
        self.status, self.bytes_out = reply.status, len(reply.body)
        return self._written(reply)

    def _written(self, reply: Reply) -> bytes:
        pairs = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        pairs += [(b"x-request-id", self.request_id.encode()), *echoed(self.sent)]
        if not self.keep_alive:
            pairs.append((b"connection", b"close"))
        head = b"".join(b"%b: %b\r\n" % pair for pair in pairs)
        opening = self.protocol.opening(reply.status)
        return b"%b%d\r\n%b\r\n%b" % (opening, len(reply.body), head, reply.body)
