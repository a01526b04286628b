"""The short way of a request for predictions: from its bytes to the batcher and back."""

from __future__ import annotations

from typing import Protocol

import orjson

from inference.batcher import Item
from inference.codec.envelope import Envelope, wrap
from inference.codec.media import Form, Media, answer_type, form_of
from inference.codec.quick import open_quickly
from inference.desk import Desk
from inference.errors import OverloadedError, RequestError
from inference.exchange import Reply, Visit
from inference.refusal import refusal
from inference.routes import predicting
from inference.together import BLOCK, Outcome, Together

#: So many pairs of Content-Type and Accept are remembered.
REMEMBERED = 256

Words = tuple[bytes | None, bytes | None]


class Turn(Protocol):
    """One request, held by the connection it came on."""

    visit: Visit

    def reply(self, reply: Reply) -> None:
        """Send the answer."""


class Hot:
    """Answers the plain requests: few rows as JSON, wanted as JSON, of a model that is ready.

    Whatever is not plain, the wrong ones among them, goes the long way, which has the words for
    it. Both ways meet in the batcher, so the answers are the same.

    Parameters
    ----------
    desk : Desk
        What it shares with the routes.
    """

    def __init__(self, desk: Desk) -> None:
        self.routes = {path.encode(): path for path in predicting(desk)}
        self._desk = desk
        self._watch = desk.watch
        self._plain: dict[Words, bool] = {}

    def together(self) -> Together | None:
        """Return what is asked; None where requests go the long way."""
        lifecycle = self._desk.lifecycle
        if lifecycle.problem():
            return None
        return lifecycle.together(lifecycle.loaded())

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
        together = self.together()
        if together is None:
            return False
        opened = open_quickly(body, is_text=together.model.signature.container == "text")
        if opened is None or len(opened[0]) > BLOCK:
            return False
        rows, envelope = opened
        visit = turn.visit
        since = self._watch.enter()
        visit.bytes_in = len(body)

        def done(outcome: Outcome) -> None:
            turn.reply(self._reply(outcome, envelope, visit))
            self._watch.leave(visit, since)

        try:
            self._desk.batcher.put(Item(together, rows, False, done))
        except OverloadedError as error:
            done(error)
        return True

    def leave(self, turn: Turn) -> None:
        """Note a caller who left before the end of the body."""
        turn.visit.error = "disconnected"
        self._watch.leave(turn.visit, self._watch.enter())

    def _reply(self, outcome: Outcome, envelope: Envelope, visit: Visit) -> Reply:
        if not isinstance(outcome, Exception):
            try:
                body = orjson.dumps(wrap(outcome, envelope))
            except TypeError as error:
                outcome = error
            else:
                visit.rows = len(outcome)
                return Reply(body, rows=len(outcome))
        return refusal(outcome, visit, self._desk.retry_after())

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
