"""A route that predicts: a call read, its rows predicted with those of others, its reply sent."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qs

from tridock.inference.errors import InvalidInputError, WrongMethodError
from tridock.inference.messages import Call, PredictionRequest, Reply, RequestRecord
from tridock.inference.scheduling.batched_model import BLOCK, BatchedModel
from tridock.inference.score import Loaded
from tridock.inference.web import openinference, predict_request
from tridock.inference.web.app_state import AppState
from tridock.inference.web.asgi import Receive, Scope, Send, headers_of, read_body, send_reply

Read = Callable[[Call, Loaded], PredictionRequest]

#: Reading a longer body would hold up health and everybody else: that happens in a thread.
SHORT_BYTES = 1 << 15


class Predicted:
    """A route that predicts (an ASGI app).

    Parameters
    ----------
    app_state : AppState
        What the routes share.
    read : callable
        Finds in a call what it wants predicted.
    """

    def __init__(self, app_state: AppState, read: Read = predict_request.order) -> None:
        self._app_state = app_state
        self._read = read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        record: RequestRecord = scope["record"]
        loaded = self._app_state.lifecycle.loaded()
        if scope["method"] != "POST" and not loaded.script:
            path = scope["path"][:200]
            raise WrongMethodError(f"{path} does not take {scope['method']}: use POST", "POST")
        if scope.get("path_params"):
            openinference.check_model(scope["path_params"], loaded.bundle)
        call = await self._call(scope, receive)
        record.bytes_in = len(call.body)
        reply = await self._reply(call, loaded)
        record.rows = reply.rows
        await send_reply(reply, send)

    async def _call(self, scope: Scope, receive: Receive) -> Call:
        settings, headers = self._app_state.settings, headers_of(scope)
        limit, seconds = settings.body_bytes, settings.body_seconds
        body = await read_body(headers, receive, limit, seconds=seconds)
        query = scope["query_string"]
        return Call(
            headers,
            body,
            settings.body_bytes,
            _flag(query, "probabilities") if query else False,
            settings.accept,
            method=scope["method"],
            path=scope["path"],
            query=query.decode("latin-1"),
        )

    async def _reply(self, call: Call, loaded: Loaded) -> Reply:
        run = self._app_state.pool.run
        if loaded.script and self._read is predict_request.order:
            return await run(partial(self._scripted, call, loaded))
        if len(call.body) > SHORT_BYTES or "content-encoding" in call.headers:
            return await run(partial(self._whole, call, loaded))
        order = self._read(call, loaded)
        batched_model = self._together(loaded)
        if not isinstance(order.rows, list) or len(order.rows) > BLOCK:
            return await run(partial(answered, order, batched_model))
        batcher = self._app_state.batcher
        return order.write(await batcher.predict(batched_model, order.rows, order.probabilities))

    def _scripted(self, call: Call, loaded: Loaded) -> Reply:
        reply = predict_request.scripted_reply(call)
        if reply.status < 300:
            self._app_state.lifecycle.prediction_counts(loaded).read(reply.body)
        return reply

    def _whole(self, call: Call, loaded: Loaded) -> Reply:
        return answered(self._read(call, loaded), self._together(loaded))

    def _together(self, loaded: Loaded) -> BatchedModel:
        batched_model = self._app_state.batched_model(loaded)
        prediction_counts = self._app_state.lifecycle.prediction_counts(loaded)
        return batched_model or BatchedModel(
            predict_request.model_of(loaded), prediction_counts=prediction_counts
        )


def answered(order: PredictionRequest, batched_model: BatchedModel) -> Reply:
    """Predict an order alone and write its reply."""
    table = batched_model.model.signature.rows(order.rows)
    return order.write(batched_model.values(table, probabilities=order.probabilities))


def _flag(query: bytes, name: str) -> bool:
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    value = given.get(name, ["false"])[-1].lower()
    if value not in ("true", "false", "1", "0"):
        raise InvalidInputError(f"query parameter {name!r} is true or false, got {value[:60]!r}")
    return value in ("true", "1")
