"""The route that predicts: from a call's bytes to its reply.

A call is read as its form and envelope say, its rows are predicted with those of others, and the
reply is written in the form that the caller accepts. A script answers its calls itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import orjson

from tridock.inference import score
from tridock.inference.codec import npy, table
from tridock.inference.codec.body import dumps, inflate, parse, text_of
from tridock.inference.codec.envelope import Ask, Envelope, open_envelope, wrap
from tridock.inference.codec.media import Form, Media, answer_type, form_of, written_form
from tridock.inference.codec.tensor import Blobs
from tridock.inference.data.signature import Signature
from tridock.inference.errors import InvalidInputError, WrongMethodError
from tridock.inference.messages import Call, PredictionRequest, Reply, RequestRecord
from tridock.inference.scheduling.batched_model import BLOCK, BatchedModel
from tridock.inference.score import Loaded
from tridock.inference.script.raw_http import Headers, Request, is_response
from tridock.inference.web import openinference
from tridock.inference.web.app_state import AppState
from tridock.inference.web.asgi import Receive, Scope, Send, headers_of, read_body, send_reply

Read = Callable[[Call, Loaded], PredictionRequest]

#: Reading a longer body would hold up health and everybody else: that happens in a thread.
SHORT_BYTES = 1 << 15


class PredictRoute:
    """A route that predicts (an ASGI app).

    Parameters
    ----------
    app_state : AppState
        What the routes share.
    read : callable
        Finds in a call what it wants predicted; by default `read_call`, or the script.
    """

    def __init__(self, app_state: AppState, read: Read | None = None) -> None:
        self._app_state = app_state
        self._read = read or read_call
        self._is_scripted = read is None

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
        if loaded.script and self._is_scripted:
            return await run(partial(self._scripted, call, loaded))
        if len(call.body) > SHORT_BYTES or "content-encoding" in call.headers:
            return await run(partial(self._whole, call, loaded))
        request = self._read(call, loaded)
        batched_model = self._app_state.lifecycle.batched_model(loaded)
        if not isinstance(request.rows, list) or len(request.rows) > BLOCK:
            return await run(partial(answered, request, batched_model))
        batcher = self._app_state.batcher
        predictions = await batcher.predict(batched_model, request.rows, request.probabilities)
        return request.write(predictions)

    def _scripted(self, call: Call, loaded: Loaded) -> Reply:
        reply = scripted_reply(call)
        if reply.status < 300:
            self._app_state.lifecycle.prediction_counts(loaded).read(reply.body)
        return reply

    def _whole(self, call: Call, loaded: Loaded) -> Reply:
        return answered(self._read(call, loaded), self._app_state.lifecycle.batched_model(loaded))


def answered(request: PredictionRequest, batched_model: BatchedModel) -> Reply:
    """Predict a request alone and write its reply."""
    table = batched_model.model.signature.rows(request.rows)
    return request.write(batched_model.values(table, probabilities=request.probabilities))


def read_call(call: Call, loaded: Loaded) -> PredictionRequest:
    """Read what a call wants predicted.

    Raises
    ------
    RequestError
        If it cannot be read; which kind says whose fault that is.
    """
    model = loaded.required_model()
    if openinference.JSON_LENGTH in call.headers:
        return openinference.read_call(call, loaded)
    body = inflate(call.body, call.headers.get("content-encoding", ""), call.limit)
    media = Media.parse(call.headers.get("content-type", ""))
    form = form_of(media, body)
    wanted = answer_type(_accept(call), _in_kind(media, form))
    if form is Form.ARRAY:
        ask = Ask(npy.read(body, model.signature), Envelope.INSTANCES)
    elif form is not Form.JSON:
        ask = _read_table(form, text_of(body, _charset(media)), media, model.signature)
    elif openinference.is_request(value := parse(body, _charset(media))):
        return openinference.read_value(value, Blobs(b""), loaded)
    else:
        ask = open_envelope(value, model.signature)
    write = partial(_write, envelope=ask.envelope, wanted=wanted, accept=_accept(call))
    return PredictionRequest(ask.rows, ask.probabilities or call.probabilities, write)


def _charset(media: Media) -> str:
    return media.parameters.get("charset", "utf-8")


def _accept(call: Call) -> str:
    accept = call.headers.get("accept", "")
    return call.accept if accept in ("", "*/*") else accept


def _in_kind(media: Media, form: Form) -> str:
    if form is Form.LINES:
        return "application/x-ndjson" if "ndjson" in media.name else "application/jsonlines"
    kinds = {Form.CSV: "text/csv", Form.ARRAY: "application/x-npy"}
    return kinds.get(form, "application/json")


def _read_table(form: Form, text: str, media: Media, signature: Signature) -> Ask:
    if form is Form.CSV:
        header = media.parameters.get("header", "")
        return Ask(table.read_csv(text, signature, header=header), Envelope.INSTANCES)
    if form is Form.LINES:
        return Ask(table.read_lines(text), Envelope.INSTANCES)
    if signature.container != "text":
        raise InvalidInputError("plain text is for models of text: send JSON, CSV or JSON Lines")
    return Ask([text], Envelope.INSTANCES)


def _write(predictions: list[Any], envelope: Envelope, wanted: str, accept: str) -> Reply:
    form, rows = written_form(wanted), len(predictions)
    if form is Form.CSV:
        named = "header=present" in accept.replace(" ", "").lower()
        body = table.write_csv(predictions, header=named)
        return Reply(body, f"{wanted}; charset=utf-8", rows=rows)
    if form is Form.LINES:
        return Reply(table.write_lines(predictions), wanted, rows=rows)
    if form is Form.ARRAY:
        return Reply(npy.write(predictions), wanted, rows=rows)
    return Reply(dumps(wrap(predictions, envelope)), wanted, rows=rows)


def _flag(query: bytes, name: str) -> bool:
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    value = given.get(name, ["false"])[-1].lower()
    if value not in ("true", "false", "1", "0"):
        raise InvalidInputError(f"query parameter {name!r} is true or false, got {value[:60]!r}")
    return value in ("true", "1")


# The answer of a user's script on its way out: a response, text, or what JSON can hold.

#: How long ``run()`` took (azureml-inference-server-http, ``server/routes.py``).
DURATION = "x-ms-run-fn-exec-ms"

#: Headers that the server sets itself.
OURS = ("content-type", "content-length", "transfer-encoding", "connection", "date", "server")


def scripted_reply(call: Call) -> Reply:
    """Answer a call by the loaded script.

    Raises
    ------
    RequestError
        If it cannot be answered; which kind says whose fault that is.
    """
    body = inflate(call.body, call.headers.get("content-encoding", ""), call.limit)
    charset = _charset(Media.parse(call.headers.get("content-type", "")))
    # A script always sees UTF-8.
    encoded = body if charset.lower() == "utf-8" else text_of(body, charset).encode()
    return reply(Request(encoded, Headers(call.headers), call.method, call.path, call.query))


def reply(request: Request) -> Reply:
    """Let the loaded script answer a request.

    Raises
    ------
    RequestError
        If the request does not fit, or the script fails.
    """
    began = time.perf_counter()
    value = score.run(request)
    headers = {DURATION: f"{1000 * (time.perf_counter() - began):.3f}"}
    if is_response(value):
        return _response(value, headers)
    body, media = _written(value)
    return Reply(body, media, headers=headers, rows=1)


def _written(value: Any) -> tuple[bytes, str]:
    """Write text as it is, nothing as an empty object, and anything else as JSON."""
    if not isinstance(value, str):
        return dumps({} if value is None else value), "application/json"
    body = value.encode(errors="replace")
    return body, "application/json" if _is_json(body) else "text/plain; charset=utf-8"


def _response(value: Any, headers: dict[str, str]) -> Reply:
    own = {name: header for name, header in value.headers.items() if name.lower() not in OURS}
    media = value.headers.get("Content-Type", "application/octet-stream")
    return Reply(value.get_data(), media, value.status_code, {**headers, **own}, rows=1)


def _is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True
