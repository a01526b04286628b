"""The emulator's own controls: reset, planned faults, and what runs."""

from __future__ import annotations

import json
from typing import Any

from moto.moto_api._internal.models import moto_api_backend

from emulators.aws.calls import Environ
from emulators.aws.cloud import Cloud
from emulators.aws.errors import Answer
from emulators.aws.instances import abandon
from emulators.faults import Fault, FaultKind

PREFIX = "/_emulator/"


def answer(cloud: Cloud, environ: Environ) -> Answer:
    """Do what was asked below `PREFIX`.

    ``POST reset``, ``PUT faults``, ``PUT limits`` and ``GET servers`` are known.
    """
    route = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix(PREFIX)
    if route == ("POST", "reset"):
        moto_api_backend.reset()
        clear(cloud)
        return _json(200, {"status": "ok"})
    if route == ("PUT", "faults"):
        return _plan(cloud, environ["wsgi.input"].read())
    if route == ("PUT", "limits"):
        asked = json.loads(environ["wsgi.input"].read())
        cloud.limits.invocation_seconds = float(asked["invocation_seconds"])
        return _json(200, {"invocation_seconds": cloud.limits.invocation_seconds})
    if route == ("GET", "servers"):
        return _json(200, {"servers": [vars_of(server) for server in cloud.fleet.servers()]})
    return _json(404, {"error": f"no control {route[0]} {PREFIX}{route[1]}"})


def clear(cloud: Cloud) -> None:
    """End every model server, forget planned faults; moto's own reset clears moto's state."""
    cloud.faults.plan(())
    abandon(cloud)
    cloud.fleet.stop_all()
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


def _plan(cloud: Cloud, body: bytes) -> Answer:
    try:
        faults = tuple(
            Fault(**{**item, "kind": FaultKind(item["kind"])}) for item in json.loads(body)
        )
    except (ValueError, KeyError, TypeError) as error:
        kinds = ", ".join(kind.value for kind in FaultKind)
        return _json(400, {"error": f"a list of faults was expected ({error}); kinds: {kinds}"})
    cloud.faults.plan(faults)
    return _json(200, {"planned": len(faults)})


def _json(status: int, value: object) -> Answer:
    return Answer(status, (("Content-Type", "application/json"),), json.dumps(value).encode())
