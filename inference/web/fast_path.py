"""The short way of a request for predictions: from its bytes to the batcher and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from tridock.inference.codec.envelope import ANSWERS, Envelope
from tridock.inference.codec.media import Form, Media, answer_type, form_of
from tridock.inference.codec.quick import open_quickly
from tridock.inference.errors import RequestError
from tridock.inference.messages import Reply, Visit
from tridock.inference.scheduling.batched_model import BLOCK, Outcome
from tridock.inference.web.app_state import Desk
from tridock.inference.web.connection_limits import RefusedError, most_connections
from tridock.inference.web.error_responses import refusal
from tridock.inference.web.request_headers import request_id
from tridock.inference.web.routes import plain

if TYPE_CHECKING:
    from tridock.inference.web.fast_request import Turn

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


class Hot:
    """Answers the plain requests: few rows as JSON, wanted as JSON, of a model that is ready.

    Whatever is not plain, the wrong ones among them, goes the long way, which has the words for
    it. Both ways meet in the batcher, so the answers are the same.

    Parameters
    ----------
    desk : Desk
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

    def __init__(self, desk: Desk) -> None:
        self.routes = {path.encode(): route for path, route in plain(desk).items()}
        # What a web page sends is answered with headers of its own.
        self.special = SPECIAL | {b"origin"} if desk.settings.cors_origins else SPECIAL
        self.connections = desk.settings.connections or most_connections()
        self._desk = desk
        self._watch = desk.watch
        self._lifecycle = desk.lifecycle
        self._put = desk.batcher.put
        self._plain: dict[Words, bool] = {}

    def is_plain(self, words: Words) -> bool:
        """Tell whether a Content-Type and an Accept mean JSON in, JSON out."""
        plain = self._plain.get(words)
        if plain is None:
            plain = self._looks_plain(words)
            if len(self._plain) < REMEMBERED:
                self._plain[words] = plain
        return plain

    def take(self, turn: Turn, body: bytes) -> bool:
        """Take a request to the batcher; False if it has to go the long way."""
        together = self._lifecycle.asked()
        if together is None:
            return False
        opened = open_quickly(body, is_text=together.is_text)
        if opened is None or len(opened[0]) > BLOCK:
            return False
        turn.asked, turn.envelope = opened
        turn.together = together
        turn.bytes_in = len(body)
        turn.since = self._watch.enter()
        self._put(turn)
        return True

    def answer(self, turn: Turn, outcome: Outcome) -> bytes | Reply:
        """Return the body that answers a request in kind, or the refusal it gets."""
        if not isinstance(outcome, Exception):
            turn.rows = len(outcome)
            told = outcome[0] if turn.envelope is Envelope.ROW else outcome
            try:
                return OPENINGS[turn.envelope] + orjson.dumps(told) + b"}"
            except TypeError as error:  # something no JSON can hold, which is a defect of ours
                outcome = error
        return refusal(outcome, turn, self._desk.retry_after())

    def leave(self, turn: Turn) -> None:
        """Note that a request has ended."""
        self._watch.leave(turn, turn.since)

    def abandon(self, turn: Turn) -> None:
        """Note a caller who left before the end of the body."""
        turn.error = "disconnected"
        turn.since = self._watch.enter()
        self.leave(turn)

    def note(self, refused: RefusedError) -> None:
        """Count and log a refusal of what never became a request."""
        visit = Visit("-", request_id({}), status=int(refused.status[:3]), error=refused.code)
        self._watch.leave(visit, self._watch.enter())

    def _looks_plain(self, words: Words) -> bool:
        sent, accept = ((word or b"").decode("latin-1") for word in words)
        media = Media.parse(sent)
        if media.parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
            return False
        try:
            if accept in ("", "*/*"):
                accept = self._desk.settings.accept
            # The first character of a body that says nothing of itself is looked at: a brace.
            json = form_of(media, b"{") is Form.JSON
            return json and answer_type(accept, "application/json") == "application/json"
        except RequestError:
            return False
