"""A request once it is read: its rows, its options, and the form of its answer."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import orjson

from tridock.inference import score
from tridock.inference.codec import npy, table
from tridock.inference.codec.body import inflate, text_of
from tridock.inference.codec.envelope import Ask, Envelope, open_envelope, wrap
from tridock.inference.codec.jsontext import dumps, parse
from tridock.inference.codec.media import Form, Media, answer_type, form_of, written_form
from tridock.inference.codec.tensor import Blobs
from tridock.inference.data.signature import Signature
from tridock.inference.errors import InvalidInputError, ScoringError
from tridock.inference.messages import Call, PredictionRequest, Reply
from tridock.inference.model.model import Model
from tridock.inference.score import Loaded
from tridock.inference.script.raw_http import Headers, Request, is_response
from tridock.inference.web import openinference


def order(call: Call, loaded: Loaded) -> PredictionRequest:
    """Read what a call wants predicted.

    Raises
    ------
    RequestError
        If it cannot be read; which kind says whose fault that is.
    """
    model = model_of(loaded)
    if openinference.JSON_LENGTH in call.headers:
        return openinference.order(call, loaded)
    body = inflate(call.body, call.headers.get("content-encoding", ""), call.limit)
    media = Media.parse(call.headers.get("content-type", ""))
    form = form_of(media, body)
    wanted = answer_type(_accept(call), _in_kind(media, form))
    if form is Form.ARRAY:
        ask = Ask(npy.read(body, model.signature), Envelope.INSTANCES)
    elif form is not Form.JSON:
        ask = _read_table(form, text_of(body, _charset(media)), media, model.signature)
    elif openinference.is_request(value := parse(body, _charset(media))):
        return openinference.order_of(value, Blobs(b""), loaded)
    else:
        ask = open_envelope(value, model.signature)
    write = partial(_write, envelope=ask.envelope, wanted=wanted, accept=_accept(call))
    return PredictionRequest(ask.rows, ask.probabilities or call.probabilities, write)


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


def model_of(loaded: Loaded) -> Model:
    """Return the model that answers.

    Raises
    ------
    ScoringError
        If there is none.
    """
    if loaded.model is None:
        raise ScoringError("this bundle has neither a model nor a script: package it again")
    return loaded.model


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


# The answer of a user's script on its way out: a response, text, or what JSON can hold.

#: How long ``run()`` took (azureml-inference-server-http, ``server/routes.py``).
DURATION = "x-ms-run-fn-exec-ms"

#: Headers that the server sets itself.
OURS = ("content-type", "content-length", "transfer-encoding", "connection", "date", "server")


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
    own = {name: one for name, one in value.headers.items() if name.lower() not in OURS}
    media = value.headers.get("Content-Type", "application/octet-stream")
    return Reply(value.get_data(), media, value.status_code, {**headers, **own}, rows=1)


def _is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True
