"""The routes each platform calls, all answered from one scoring module."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import parse_qs

from tridock.inference.codec.body import dumps
from tridock.inference.errors import NoRouteError, NotReadyError, WrongMethodError
from tridock.inference.messages import Reply
from tridock.inference.score import Loaded
from tridock.inference.web import openapi, openinference
from tridock.inference.web.app_state import AppState
from tridock.inference.web.asgi import AsgiApp, Receive, Scope, Send, headers_of, send_reply
from tridock.inference.web.predict_route import PredictRoute

Tell = Callable[[Scope], Reply]
#: By path or its template, then by method.
Routes = dict[str, dict[str, AsgiApp]]

#: The paths of KServe's first protocol that name a model.
V1_PATHS = ("/v1/models/{model}", "/v1/models/{model}/versions/{version}")
#: Paths that name a model, and their templates: of the Open Inference Protocol, and of the first
#: protocol of KServe and TensorFlow Serving («V1 Inference Protocol»).
MODELS = {
    re.compile(
        "/v2/models/(?P<model>[^/]+)(/versions/(?P<version>[^/]+))?(?P<more>/infer|/ready)?"
    ): openinference.MODEL_PATHS,
    re.compile(
        "/v1/models/(?P<model>[^/:]+)(/versions/(?P<version>[^/:]+))?(?P<more>:predict)?"
    ): V1_PATHS,
}
#: How KServe's server of the first protocol says that it lives.
ALIVE = b'{"status":"alive"}'
#: What FastAPI keeps: the description, and the page that draws it.
DOCUMENTATION = ("/docs", "/openapi.json")


class Router:
    """Finds the route of a request (an ASGI app).

    Parameters
    ----------
    app_state : AppState
        What the routes share.
    documentation : AsgiApp
        Answers what is below `DOCUMENTATION`.
    """

    def __init__(self, app_state: AppState, documentation: AsgiApp) -> None:
        self._table = routes(app_state)
        self._root = app_state.settings.root_path
        self._documentation = documentation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request to its route."""
        path = scope["path"] = self._below(scope["path"])
        if path.startswith(DOCUMENTATION):
            scope["record"].route = next(each for each in DOCUMENTATION if path.startswith(each))
            await self._documentation(scope, receive, send)
            return
        methods = self._methods(scope, path)
        method = scope["method"]
        app = methods.get("GET" if method == "HEAD" else method)
        if app is None:
            raise wrong_method(scope, methods)
        await app(scope, receive, send)

    def _below(self, path: str) -> str:
        """Return a path without the prefix that a proxy may have left before it."""
        root = self._root
        return path[len(root) :] or "/" if root and f"{path}/".startswith(f"{root}/") else path

    def _methods(self, scope: Scope, path: str) -> Mapping[str, AsgiApp]:
        template = self._template(scope, path)
        if template not in self._table:
            raise NoRouteError(f"there is no {path[:200]}: see /docs for the routes")
        scope["record"].route = template
        return self._table[template]

    def _template(self, scope: Scope, path: str) -> str:
        """Return a path's template; a slash at the end of one that predicts is left out."""
        template = self._exact(scope, path)
        if not template and path.endswith("/"):
            without = self._exact(scope, path[:-1])
            if isinstance(self._table.get(without, {}).get("POST"), PredictRoute):
                return without
        return template

    def _exact(self, scope: Scope, path: str) -> str:
        if path in self._table and "{" not in path:
            return path
        for pattern, paths in MODELS.items():
            if match := pattern.fullmatch(path):
                named = {name: match[name] for name in ("model", "version") if match[name]}
                scope["path_params"] = named
                return paths[len(named) - 1] + (match["more"] or "")
        return ""


class InformationRoute:
    """A route that gives information without predicting (an ASGI app).

    Parameters
    ----------
    tell : callable
        Makes the reply of the ASGI scope.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await send_reply(self._tell(scope), send)


def wrong_method(scope: Scope, methods: Mapping[str, AsgiApp]) -> WrongMethodError:
    """Say which methods a path takes, GET implying HEAD."""
    allowed = ", ".join(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))
    path, method = scope["path"][:200], scope["method"]
    return WrongMethodError(f"{path} does not take {method}: use {allowed}", allowed)


def predicting(app_state: AppState) -> tuple[str, ...]:
    """Return the paths that predict, in any envelope."""
    paths = ("/invocations", "/score", "/predict", app_state.settings.predict_route)
    return tuple(dict.fromkeys(paths))


def plain(app_state: AppState) -> dict[str, str]:
    """Return the paths that predict, in each form in which they may be sent, with their route."""
    forms: dict[str, str] = {}
    for path in predicting(app_state):
        for root in ("", app_state.settings.root_path):
            forms |= {f"{root}{path}": path, f"{root}{path}/": path}
    return forms


def routes(app_state: AppState) -> Routes:
    """Return all routes but those of the documentation."""
    ready = ("/ping", "/health", app_state.settings.health_route, "/readyz")
    index = "/v2/repository/index"
    table: Routes = {
        **{path: _get(_ready(app_state, b"")) for path in ready},
        # Azure ML looks at the status alone, KServe's client of the first protocol at this member.
        "/": _get(_ready(app_state, ALIVE)),
        "/healthz": _get(lambda scope: Reply(ALIVE)),
        "/execution-parameters": _get(partial(_execution_parameters, app_state)),
        "/metrics": _get(partial(_metrics, app_state)),
        "/swagger.json": _get(partial(_swagger, app_state)),
        "/v2": _get(lambda scope: Reply(dumps(openinference.server_metadata()))),
        "/v2/health/live": _get(lambda scope: Reply(b'{"live":true}')),
        "/v2/health/ready": _get(_ready(app_state, b'{"ready":true}')),
        index: {
            "POST": InformationRoute(
                lambda scope: Reply(dumps(openinference.index(app_state.lifecycle)))
            )
        },
        **_models(app_state),
        **_first_protocol(app_state),
    }
    for path in predicting(app_state):
        # Vertex AI may call one path for both; a script takes a query string, too.
        table.setdefault(path, {})["POST"] = PredictRoute(app_state)
    table["/score"]["GET"] = PredictRoute(app_state)
    return table


def _of_model(app_state: AppState, tell: Callable[[Loaded], object]) -> Tell:
    def description(scope: Scope) -> Reply:
        loaded = app_state.lifecycle.loaded()
        openinference.check_model(scope["path_params"], loaded.bundle)
        return Reply(dumps(tell(loaded)))

    return description


def _models(app_state: AppState) -> Routes:
    table: Routes = {}
    for model in openinference.MODEL_PATHS:
        table[model] = _get(_of_model(app_state, openinference.model_metadata))
        table[f"{model}/ready"] = _get(_of_model(app_state, openinference.model_ready))
        table[f"{model}/infer"] = {"POST": PredictRoute(app_state, openinference.read_call)}
    return table


def _first_protocol(app_state: AppState) -> Routes:
    def ready(loaded: Loaded) -> object:
        if problem := app_state.lifecycle.problem():
            raise NotReadyError(problem)
        return openinference.model_ready(loaded)

    def names(scope: Scope) -> Reply:
        return Reply(dumps({"models": [app_state.lifecycle.loaded().bundle.name]}))

    table: Routes = {"/v1/models": _get(names)}
    for model in V1_PATHS:
        table[model] = _get(_of_model(app_state, ready))
        table[f"{model}:predict"] = {"POST": PredictRoute(app_state)}
    return table


def _get(tell: Tell) -> dict[str, AsgiApp]:
    return {"GET": InformationRoute(tell)}


def _ready(app_state: AppState, body: bytes) -> Tell:
    """Make a health answer: 200 with `body` when ready, else 503 with the reason."""
    media = "application/json" if body.startswith(b"{") else "text/plain; charset=utf-8"

    def description(scope: Scope) -> Reply:
        if problem := app_state.lifecycle.problem():
            raise NotReadyError(problem)
        return Reply(body, media)

    return description


def _execution_parameters(app_state: AppState, scope: Scope) -> Reply:
    """Tell batch transform how to call (SageMaker, «Use your own inference code with batch»)."""
    description = {
        "MaxConcurrentTransforms": app_state.settings.workers,
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": app_state.settings.body_bytes >> 20,
    }
    return Reply(dumps(description))


def _metrics(app_state: AppState, scope: Scope) -> Reply:
    from tridock.inference.monitoring import prometheus  # its library is slow to import

    loaded = None if app_state.lifecycle.problem() else app_state.lifecycle.loaded()
    accept = headers_of(scope).get("accept", "")
    bundle = loaded.bundle if loaded else None
    return Reply(*prometheus.exposition(app_state.metrics, accept, bundle))


def _swagger(app_state: AppState, scope: Scope) -> Reply:
    """Describe the API as Azure ML's server does, whose default is Swagger 2.0."""
    version = parse_qs(scope["query_string"].decode("latin-1")).get("version", ["2"])[0]
    manifest = app_state.lifecycle.loaded().bundle.manifest
    return Reply(dumps(openapi.document(manifest, app_state.settings, version)))
