"""The short way of a request for predictions: from its bytes to the batcher and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from tridock.inference.codec.envelope import ANSWERS, Envelope
from tridock.inference.codec.media import Form, Media, answer_type, form_of
from tridock.inference.codec.quick import open_quickly
from tridock.inference.errors import RequestError
from tridock.inference.messages import Reply, RequestRecord
from tridock.inference.scheduling.batched_model import BLOCK, Outcome
from tridock.inference.web.app_state import AppState
from tridock.inference.web.connection_limits import RefusedError, most_connections
from tridock.inference.web.error_responses import refusal
from tridock.inference.web.request_headers import request_id
from tridock.inference.web.routes import plain

if TYPE_CHECKING:
    from tridock.inference.web.fast_request import FastRequest

#: So many pairs of Content-Type and Accept are remembered.
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

    Whatever is not plain, the wrong ones among them, goes the long way, which has the words for
    it. Both ways meet in the batcher, so the answers are the same.

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
        batched_model = self._lifecycle.asked()
        if batched_model is None:
            return False
        opened = open_quickly(body, is_text=batched_model.is_text)
        if opened is None or len(opened[0]) > BLOCK:
            return False
        fast_request.asked, fast_request.envelope = opened
        fast_request.batched_model = batched_model
        fast_request.bytes_in = len(body)
        fast_request.since = self._watch.enter()
        self._put(fast_request)
        return True

    def answer(self, fast_request: FastRequest, outcome: Outcome) -> bytes | Reply:
        """Return the body that answers a request in kind, or the refusal it gets."""
        if not isinstance(outcome, Exception):
            fast_request.rows = len(outcome)
            told = outcome[0] if fast_request.envelope is Envelope.ROW else outcome
            try:
                return OPENINGS[fast_request.envelope] + orjson.dumps(told) + b"}"
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
