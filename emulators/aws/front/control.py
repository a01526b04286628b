"""The emulator's own controls: reset, planned faults, and what runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from moto.moto_api._internal.models import moto_api_backend

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.instances import abandon
from tridock.emulators.aws.protocol.calls import Environ
from tridock.emulators.aws.protocol.errors import Answer
from tridock.emulators.faults import read_faults

PREFIX = "/_emulator/"


def answer(cloud: Cloud, environ: Environ) -> Answer:
    """Do what was asked below `PREFIX`; `_CONTROLS` are known."""
    route = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO'].removeprefix(PREFIX)}"
    if route not in _CONTROLS:
        return _json(404, {"error": f"no control {route}: there are {', '.join(_CONTROLS)}"})
    body = environ["wsgi.input"].read()
    try:
        return _json(200, _CONTROLS[route](cloud, json.loads(body or b"null")))
    except (ValueError, KeyError, TypeError) as error:
        return _json(400, {"error": f"{route} cannot be read: {error}"})


def unauthorized() -> Answer:
    """Refuse a request without the emulator's secret (RFC 6750, 3)."""
    said = "the controls need the header Authorization: Bearer $TRIDOCK_AWS_TOKEN, as `env` prints"
    refused = _json(401, {"error": said})
    return Answer(401, (*refused.headers, ("WWW-Authenticate", "Bearer")), refused.body)


def clear(cloud: Cloud) -> None:
    """End every model server, forget planned faults; moto's own reset clears moto's state."""
    cloud.faults.plan(())
    abandon(cloud)
    cloud.fleet.forget_all()
    cloud.logs.clear()
    cloud.metrics.clear()
    cloud.limits.reset()
    for hook in cloud.on_reset:
        hook()


def vars_of(server: Any) -> dict[str, object]:
    """Describe a model server for people who look."""
    process = getattr(server, "process", None)
    return {
        "url": server.url,
        "pid": process.pid if process else None,
        "log": str(server.log),
        "exit_code": server.exit_code(),
    }


def _reset(cloud: Cloud, _: Any) -> object:
    moto_api_backend.reset()
    clear(cloud)
    return {"status": "ok"}


def _plan(cloud: Cloud, asked: Any) -> object:
    faults = read_faults(asked)
    cloud.faults.plan(faults)
    return {"planned": len(faults)}


def _faults(cloud: Cloud, _: Any) -> object:
    return cloud.faults.report()


def _limit(cloud: Cloud, asked: Any) -> object:
    cloud.limits.invocation_seconds = float(asked["invocation_seconds"])
    return {"invocation_seconds": cloud.limits.invocation_seconds}


def _servers(cloud: Cloud, _: Any) -> object:
    return {"servers": [vars_of(server) for server in cloud.fleet.servers()]}


_CONTROLS: Mapping[str, Callable[[Cloud, Any], object]] = {
    "POST reset": _reset,
    "PUT faults": _plan,
    "GET faults": _faults,
    "PUT limits": _limit,
    "GET servers": _servers,
}


def _json(status: int, value: object) -> Answer:
    return Answer(status, (("Content-Type", "application/json"),), json.dumps(value).encode())
