"""The short way of a request for predictions: from its bytes to the batcher and back."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from tridock.inference.codec.envelope import ANSWERS, Envelope
from tridock.inference.codec.media import Form, Media, answer_type, form_of
from tridock.inference.errors import RequestError
from tridock.inference.messages import Reply, RequestRecord
from tridock.inference.scheduling.batched_model import BLOCK, Outcome
from tridock.inference.web.app_state import AppState
from tridock.inference.web.asgi import ANY_OF, echoed, request_id
from tridock.inference.web.connection_limits import RefusedError, most_connections
from tridock.inference.web.error_responses import refusal
from tridock.inference.web.routes import plain

if TYPE_CHECKING:
    from tridock.inference.scheduling.batched_model import BatchedModel

#: Pairs of Content-Type and Accept that are remembered.
REMEMBERED = 256

#: Headers that make a request special: it goes the long way.
SPECIAL = frozenset(
    (
        b"content-encoding",
        b"expect",
        b"inference-header-content-length",
        b"transfer-encoding",
        b"upgrade",
    )
)

#: How an answer begins, by the envelope of its request.
OPENINGS = {envelope: f'{{"{name}":'.encode() for envelope, name in ANSWERS.items()}

Words = tuple[bytes | None, bytes | None]


class FastPath:
    """Answers the plain requests: few rows as JSON, wanted as JSON, of a model that is ready.

    What is not plain, a body that is no JSON among it, goes the long way. Rows that do not fit are
    refused here. Both ways meet in the batcher, and the answers are the same.

    Parameters
    ----------
    app_state : AppState
        What it shares with the routes.

    Attributes
    ----------
    routes : dict
        The routes of the paths that predict, by the path as it is sent.
    special : frozenset
        Headers that make a request special.
    connections : int
        Most that are open in this process.
    """

    def __init__(self, app_state: AppState) -> None:
        self.routes = {path.encode(): route for path, route in plain(app_state).items()}
        # What a web page sends is answered with headers of its own.
        self.special = SPECIAL | {b"origin"} if app_state.settings.cors_origins else SPECIAL
        self.connections = app_state.settings.connections or most_connections()
        self._app_state = app_state
        self._watch = app_state.watch
        self._lifecycle = app_state.lifecycle
        self._put = app_state.batcher.put
        self._plain: dict[Words, bool] = {}

    def is_plain(self, words: Words) -> bool:
        """Tell whether a Content-Type and an Accept mean JSON in, JSON out."""
        plain = self._plain.get(words)
        if plain is None:
            plain = self._looks_plain(words)
            if len(self._plain) < REMEMBERED:
                self._plain[words] = plain
        return plain

    def take(self, fast_request: FastRequest, body: bytes) -> bool:
        """Take a request to the batcher; False if it has to go the long way."""
        batched_model = self._lifecycle.ready_model()
        if batched_model is None:
            return False
        opened = open_quickly(body, is_text=batched_model.is_text)
        if opened is None or len(opened[0]) > BLOCK:
            return False
        fast_request.sent_rows, fast_request.envelope = opened
        fast_request.batched_model = batched_model
        fast_request.bytes_in = len(body)
        fast_request.since = self._watch.enter()
        self._put(fast_request)
        return True

    def answer(self, fast_request: FastRequest, outcome: Outcome) -> bytes | Reply:
        """Return the body that answers a request in kind, or the refusal it gets."""
        if not isinstance(outcome, Exception):
            fast_request.rows = len(outcome)
            predictions = outcome[0] if fast_request.envelope is Envelope.ROW else outcome
            try:
                return OPENINGS[fast_request.envelope] + orjson.dumps(predictions) + b"}"
            except TypeError as error:  # something no JSON can hold, which is a defect of ours
                outcome = error
        return refusal(outcome, fast_request, self._app_state.retry_after())

    def leave(self, fast_request: FastRequest) -> None:
        """Note that a request has ended."""
        self._watch.leave(fast_request, fast_request.since)

    def abandon(self, fast_request: FastRequest) -> None:
        """Note a caller who left before the end of the body."""
        fast_request.error = "disconnected"
        fast_request.since = self._watch.enter()
        self.leave(fast_request)

    def note(self, refused: RefusedError) -> None:
        """Count and log a refusal of what never became a request."""
        record = RequestRecord(
            "-", request_id({}), status=int(refused.status[:3]), error=refused.code
        )
        self._watch.leave(record, self._watch.enter())

    def _looks_plain(self, words: Words) -> bool:
        sent, accept = ((word or b"").decode("latin-1") for word in words)
        media = Media.parse(sent)
        if media.parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
            return False
        try:
            if accept in ("", "*/*"):
                accept = self._app_state.settings.accept
            # The first character of a body that says nothing of itself is looked at: a brace.
            json = form_of(media, b"{") is Form.JSON
            return json and answer_type(accept, "application/json") == "application/json"
        except RequestError:
            return False


# The two envelopes that most requests come in, opened without a detour.

Opened = tuple[list[Any], Envelope]


def open_quickly(body: bytes, *, is_text: bool) -> Opened | None:
    """Return a JSON body's rows and their envelope, or None where a closer look is needed.

    Parameters
    ----------
    body : bytes
        As it came.
    is_text : bool
        Whether the model takes strings: then a list of them is rows, not a row.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(value) is not dict or len(value) != 1:
        return None
    rows = value.get("features")
    if rows is None:
        rows = value.get("instances")
        return (rows, Envelope.INSTANCES) if type(rows) is list and rows else None
    if type(rows) is dict:
        return [rows], Envelope.ROW
    if type(rows) is not list or not rows:
        return None
    if is_text or type(rows[0]) is list or type(rows[0]) is dict:
        return rows, Envelope.FEATURES
    return [rows], Envelope.ROW


class Connection(Protocol):
    """Connection that a request came on, as far as the request uses it."""

    fast_path: FastPath
    transport: Any

    def opening(self, status: int) -> bytes:
        """Return how an answer begins, up to the number of its bytes."""
        ...

    def on_response_complete(self) -> None:
        """Go on with the connection's next request."""
        ...


class FastRequest(RequestRecord):
    """A plain request on its short way; to uvicorn it is a request like all others.

    Parameters
    ----------
    protocol : Connection
        The connection it came on.
    route : str
        Its path.
    sent : dict
        Its headers.
    """

    __slots__ = (
        "sent_rows",
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
    sent_rows: list[Any]
    envelope: Envelope
    since: float
    batched_model: BatchedModel

    #: What the batcher wants to know of an item.
    probabilities = False
    #: Its answer is written in one piece.
    response_started = False
    #: uvicorn wakes what waits for a caller here; nothing does.
    message_event = SimpleNamespace(set=lambda: None)

    def __init__(self, protocol: Connection, route: str, sent: dict[bytes, bytes]) -> None:
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
