"""The interfaces that Google describes as protos: one handler per method, over REST and gRPC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from google.protobuf.message import Message

from tridock.emulators.gcp.core.cloud import Cloud, Handler
from tridock.emulators.gcp.core.faulty import faults
from tridock.emulators.gcp.protocol.errors import NotFoundError, UnimplementedError
from tridock.emulators.gcp.protocol.listing import camel
from tridock.emulators.gcp.protocol.names import Record
from tridock.emulators.gcp.protocol.schema import Binding, Method
from tridock.emulators.gcp.protocol.wire import Answer, Request
from tridock.emulators.gcp.vertex import predictions
from tridock.emulators.gcp.vertex.predictions import RAW_METHODS, Raw, RawAnswer

#: Query parameters of every Google interface, no fields of a request ("System parameters").
_SYSTEM = {"alt", "key", "fields", "prettyPrint", "quotaUser", "access_token", "uploadType"}


@dataclass(frozen=True)
class Interface:
    """Finds methods and calls their handlers.

    Attributes
    ----------
    cloud : Cloud
        What the handlers work on.
    handlers : Mapping of str to Handler
        By method name.
    """

    cloud: Cloud
    handlers: Mapping[str, Handler]

    def answer(self, request: Request) -> Answer:
        """Answer one REST request.

        Raises
        ------
        GcpError
            What the client is to read.
        """
        binding, variables = self._find(request)
        method = self.cloud.schema.methods[binding.name]
        if binding.name in RAW_METHODS:
            raw = Raw(variables["endpoint"], request.content_type, request.body)
            return as_answer(self.call_raw(method, raw))
        data = _data(binding, variables, request)
        lists = self.cloud.schema.lists(method.request, dict(request.query))
        for name, path in lists.items():
            _put(data, path, [value for key, value in request.query if key == name])
        message = self.cloud.schema.parse(method.request, data)
        record = self._call(method, message)
        if method.response == "google.longrunning.Operation" or "predictions" not in record:
            built = self.cloud.schema.build(method.response, record)
            record = self.cloud.schema.record(built)
        return Answer.of(record)

    def call(self, method: Method, message: Message) -> Message:
        """Answer one gRPC request."""
        return self.cloud.schema.build(method.response, self._call(method, message))

    def call_raw(self, method: Method, request: Raw) -> RawAnswer:
        """Answer one request whose body only the model server reads."""
        with faults(self.cloud, method.name, apart=True):
            return predictions.raw_predict(self.cloud, request)

    def unimplemented(self, name: str) -> UnimplementedError:
        """Return the error for a method that the real service has and this one has not."""
        return UnimplementedError(f"{name} is not emulated.")

    def _call(self, method: Method, message: Message) -> Record:
        handler = self.handlers.get(method.name)
        if handler is None:
            raise self.unimplemented(method.name)
        self.cloud.schema.check_required(method, message)
        apart = method.name in predictions.HANDLERS
        with faults(self.cloud, method.name, apart=apart):
            request = self.cloud.schema.record(message)
            if apart:
                return handler(self.cloud, request)
            with self.cloud.lock:
                return self._changed(handler, request, method.name.rpartition(".")[2])

    def _changed(self, handler: Handler, request: Record, name: str) -> Record:
        """Return what a handler answers, once its changes are on disk."""
        if name.startswith(("Get", "List")):
            return deepcopy(handler(self.cloud, request))
        try:
            answer = deepcopy(handler(self.cloud, request))
        except Exception:
            self.cloud.state.revert()
            raise
        self.cloud.state.commit()
        return answer

    def _find(self, request: Request) -> tuple[Binding, dict[str, str]]:
        path = unquote(request.path)
        for binding in self.cloud.schema.bindings:
            match = binding.path.fullmatch(path) if binding.verb == request.verb else None
            if match:
                return binding, {k.replace("__", "."): v for k, v in match.groupdict().items()}
        for binding in self.cloud.schema.known:
            if binding.verb == request.verb and binding.path.fullmatch(path):
                raise self.unimplemented(binding.name)
        raise NotFoundError(f"Method not found: {request.verb} {path}.")


def as_answer(raw: RawAnswer) -> Answer:
    """Return a model server's own answer as HTTP."""
    return Answer(raw.status, raw.parts, {"content-type": raw.content_type, **raw.headers})


def _data(binding: Binding, variables: Mapping[str, str], request: Request) -> Any:
    """Put body, path and query together as the request's JSON (google/api/http.proto)."""
    data: Any = request.json() if binding.body else {}
    if binding.body not in ("", "*"):
        data = {camel(binding.body): data}
    if not isinstance(data, dict):
        return data
    for path, value in (*variables.items(), *_fields(request)):
        _put(data, [camel(part) for part in path.split(".")], value)
    return data


def _fields(request: Request) -> Iterator[tuple[str, Any]]:
    for name, value in request.query:
        if name.startswith("$") or name in _SYSTEM:
            continue
        masks = name in ("updateMask", "update_mask", "readMask", "read_mask")
        yield name, camel(value) if masks else value


def _put(data: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        data = data.setdefault(part, {})
    data[path[-1]] = value
