"""google.longrunning.Operations: over gRPC, and over REST below several prefixes."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from urllib.parse import unquote

from tridock.emulators.gcp.core.cloud import Cloud, Handler
from tridock.emulators.gcp.core.faulty import faults
from tridock.emulators.gcp.protocol import listing
from tridock.emulators.gcp.protocol.errors import UnimplementedError
from tridock.emulators.gcp.protocol.names import Record, canonical
from tridock.emulators.gcp.protocol.schema import Method
from tridock.emulators.gcp.protocol.wire import Answer, Request

SERVICE = "google.longrunning.Operations"
#: Google's libraries poll at ``/ui/`` first: it is the first rule of their transport.
_ONE = re.compile(r"/(?:ui|v1|v2)/(projects/.+/operations/[^/:]+)(?::(cancel|wait))?")
_MANY = re.compile(r"/(?:ui|v1|v2)/(projects/.+)/operations")
_WAIT_SECONDS = 30.0


def method(request: Request) -> str | None:
    """Name the method that a REST request calls, e.g. ``"GetOperation"``; None if none of these."""
    path = unquote(request.path)
    match = _ONE.fullmatch(path)
    if match:
        verb = match[2] or {"GET": "get", "DELETE": "delete"}.get(request.verb, "")
        return f"{verb.capitalize()}Operation"
    return "ListOperations" if _MANY.fullmatch(path) and request.verb == "GET" else None


def answer(cloud: Cloud, request: Request) -> Answer:
    """Answer a REST request for which `method` names one."""
    path, called = unquote(request.path), method(request) or ""
    match = _ONE.fullmatch(path)
    with faults(cloud, called):
        if match:
            handler = _VERBS[called.removesuffix("Operation").lower()]
            return Answer.of(_shown(cloud, handler(cloud, {"name": match[1]})))
        parent = _MANY.fullmatch(path)
        named = {"name": parent[1]} if parent else {}
        return Answer.of(list_(cloud, {**named, **request.parameters}))


def get(cloud: Cloud, request: Record) -> Record:
    """``GetOperation``."""
    return cloud.operations.get(_name(request))


def list_(cloud: Cloud, request: Record) -> Record:
    """``ListOperations``."""
    operations = cloud.operations.list(_name(request) + "/")
    return dict(listing.answer("operations", operations, request))


def delete(cloud: Cloud, request: Record) -> Record:
    """``DeleteOperation``."""
    cloud.operations.delete(_name(request))
    return {}


def wait(cloud: Cloud, request: Record) -> Record:
    """``WaitOperation``: answer when it is done, or after a while."""
    given = str(request.get("timeout", "")).removesuffix("s")
    deadline = time.monotonic() + min(float(given or _WAIT_SECONDS), _WAIT_SECONDS)
    while time.monotonic() < deadline and not get(cloud, request)["done"]:
        time.sleep(0.05)
    return get(cloud, request)


def cancel(cloud: Cloud, request: Record) -> Record:
    """``CancelOperation``: what is emulated cannot be stopped half-way."""
    cloud.operations.get(_name(request))
    raise UnimplementedError("Operations.CancelOperation is not emulated.")


def _name(request: Record) -> str:
    return canonical(request["name"])


def _shown(cloud: Cloud, record: Record) -> Record:
    if not record:
        return {}
    return cloud.schema.record(cloud.schema.build("google.longrunning.Operation", record))


_VERBS: Mapping[str, Handler] = {"get": get, "delete": delete, "wait": wait, "cancel": cancel}


def methods() -> Mapping[str, tuple[Method, Handler]]:
    """Return the methods and their handlers, by gRPC path."""
    by_name = {}
    for verb, handler in {**_VERBS, "list": list_}.items():
        rpc = f"{verb.capitalize()}Operation{'s' if verb == 'list' else ''}"
        answered = {"list": "google.longrunning.ListOperationsResponse"}
        answered |= {"delete": "google.protobuf.Empty", "cancel": "google.protobuf.Empty"}
        response = answered.get(verb, "google.longrunning.Operation")
        method = Method(
            f"Operations.{rpc}", f"google.longrunning.{rpc}Request", response, False, SERVICE
        )
        by_name[method.rpc] = (method, handler)
    return by_name
