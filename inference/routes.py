"""The routes each platform calls, all answered from one scoring module."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from inference import openapi, openinference, prediction
from inference.codec.jsontext import dumps
from inference.desk import Desk
from inference.errors import InvalidInputError, NotReadyError
from inference.exchange import Call, Reply, Visit
from inference.score import Loaded
from inference.wire import headers_of, read_body, send_reply

Answer = Callable[[Call, Loaded], Reply]
Tell = Callable[[Scope], Reply]


class Told:
    """A route that tells something without predicting (an ASGI app).

    Parameters
    ----------
    path : str
        The route's template, for the log.
    tell : callable
        Makes the reply of the ASGI scope.
    """

    def __init__(self, path: str, tell: Tell) -> None:
        self._path = path
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["visit"].route = self._path
        await send_reply(self._tell(scope), send)


class Predicted:
    """A route that predicts (an ASGI app): read, decode, score, encode, send.

    Parameters
    ----------
    path : str
        The route's template, for the log.
    desk : Desk
        What the routes share.
    answer : callable
        Makes the reply of a call, in a thread.
    """

    def __init__(self, path: str, desk: Desk, answer: Answer = prediction.answer) -> None:
        self._path = path
        self._desk = desk
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        visit: Visit = scope["visit"]
        visit.route = self._path
        loaded = self._desk.lifecycle.loaded()
        if scope["method"] != "POST" and not loaded.script:
            raise HTTPException(405, headers={"Allow": "POST"})
        if scope.get("path_params"):
            openinference.check_model(scope["path_params"], loaded.bundle)
        call = await self._call(scope, receive)
        visit.bytes_in = len(call.body)
        reply = await self._desk.pool.run(partial(self._answer, call, loaded))
        visit.rows = reply.rows
        await send_reply(reply, send)

    async def _call(self, scope: Scope, receive: Receive) -> Call:
        settings, headers = self._desk.settings, headers_of(scope)
        body = await read_body(headers, receive, settings.body_bytes)
        query = scope["query_string"]
        probabilities = _flag(query, "probabilities") if query else False
        return Call(
            headers,
            body,
            settings.body_bytes,
            probabilities,
            settings.accept,
            method=scope["method"],
            path=scope["path"],
            query=query.decode("latin-1"),
        )


def routes(desk: Desk) -> list[Route]:
    """Return all routes, those that predict first."""
    settings = desk.settings
    predicting = ("/invocations", "/score", "/predict", settings.predict_route)
    ready = ("/ping", "/health", settings.health_route, "/readyz")
    return [
        *(_post(path, Predicted(path, desk)) for path in dict.fromkeys(predicting)),
        # Azure ML's server takes a script's input by query string, too.
        Route("/score", Predicted("/score", desk), methods=["GET"]),
        *_inferences(desk),
        *(_get(path, _ready(desk, b"")) for path in dict.fromkeys(ready)),
        _get("/", _ready(desk, b"Healthy")),
        _get("/healthz", lambda scope: Reply(b'{"status":"alive"}')),
        _get("/execution-parameters", partial(_execution_parameters, desk)),
        _get("/metrics", partial(_metrics, desk)),
        _get("/swagger.json", partial(_swagger, desk)),
        *_open_inference(desk),
    ]


def _inferences(desk: Desk) -> list[Route]:
    paths = [f"{model}/infer" for model in openinference.MODEL_PATHS]
    return [_post(path, Predicted(path, desk, openinference.answer)) for path in paths]


def _open_inference(desk: Desk) -> list[Route]:
    def of_model(tell: Callable[[Loaded], object]) -> Tell:
        def told(scope: Scope) -> Reply:
            loaded = desk.lifecycle.loaded()
            openinference.check_model(scope["path_params"], loaded.bundle)
            return Reply(dumps(tell(loaded)))

        return told

    index = "/v2/repository/index"
    return [
        _get("/v2", lambda scope: Reply(dumps(openinference.server_metadata()))),
        _get("/v2/health/live", lambda scope: Reply(b'{"live":true}')),
        _get("/v2/health/ready", _ready(desk, b'{"ready":true}')),
        *(
            _get(f"{model}{more}", of_model(tell))
            for model in openinference.MODEL_PATHS
            for more, tell in (
                ("", openinference.model_metadata),
                ("/ready", openinference.model_ready),
            )
        ),
        _post(index, Told(index, lambda scope: Reply(dumps(openinference.index(desk.lifecycle))))),
    ]


def _get(path: str, tell: Tell) -> Route:
    return Route(path, Told(path, tell), methods=["GET"])


def _post(path: str, app: Told | Predicted) -> Route:
    return Route(path, app, methods=["POST"])


def _ready(desk: Desk, body: bytes) -> Tell:
    """Make a health answer: 200 with `body` when ready, else 503 with the reason."""
    media = "application/json" if body.startswith(b"{") else "text/plain; charset=utf-8"

    def told(scope: Scope) -> Reply:
        if problem := desk.lifecycle.problem():
            raise NotReadyError(problem)
        return Reply(body, media)

    return told


def _execution_parameters(desk: Desk, scope: Scope) -> Reply:
    """Tell batch transform how to call (SageMaker, «Use your own inference code with batch»)."""
    told = {
        "MaxConcurrentTransforms": desk.settings.workers,
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": desk.settings.body_bytes >> 20,
    }
    return Reply(dumps(told))


def _metrics(desk: Desk, scope: Scope) -> Reply:
    loaded = None if desk.lifecycle.problem() else desk.lifecycle.loaded()
    accept = headers_of(scope).get("accept", "")
    return Reply(*desk.metrics.expose(accept, loaded.bundle if loaded else None))


def _swagger(desk: Desk, scope: Scope) -> Reply:
    """Describe the API as Azure ML's server does, whose default is Swagger 2.0."""
    asked = parse_qs(scope["query_string"].decode("latin-1")).get("version", ["2"])[0]
    manifest = desk.lifecycle.loaded().bundle.manifest
    return Reply(dumps(openapi.document(manifest, desk.settings, asked)))


def _flag(query: bytes, name: str) -> bool:
    value = parse_qs(query.decode("latin-1")).get(name, ["false"])[-1].lower()
    if value not in ("true", "false", "1", "0"):
        raise InvalidInputError(f"query parameter {name!r} is true or false, got {value[:60]!r}")
    return value in ("true", "1")
