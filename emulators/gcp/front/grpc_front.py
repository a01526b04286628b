"""The gRPC front: plain HTTP/2 on the loopback; TLS ends in the proxy before it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent import futures
from functools import partial
from typing import Any, NoReturn

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from tridock.emulators.faults import ConnectionDropped
from tridock.emulators.gcp.auth import authentication
from tridock.emulators.gcp.core.cloud import Cloud, Handler
from tridock.emulators.gcp.front import longrunning
from tridock.emulators.gcp.front.interface import Interface
from tridock.emulators.gcp.protocol.errors import GcpError, InternalError
from tridock.emulators.gcp.protocol.schema import Method
from tridock.emulators.gcp.vertex.predictions import RAW_METHODS, Raw, RawAnswer

log = logging.getLogger(__name__)

THREADS = 64
#: Above every limit of the services, so that they refuse in their own words.
MESSAGE_BYTES = 64 * 1024 * 1024
_CODES = {code.value[0]: code for code in grpc.StatusCode}

#: The types of details that are known to the parser of JSON.
DETAIL_TYPES = error_details_pb2.DESCRIPTOR.message_types_by_name
#: Where clients look for a call's details (gRPC, «Richer error model»).
_DETAILS = "grpc-status-details-bin"

Context = Any


class Front(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Names each call and hands it to the interface.

    Parameters
    ----------
    interface : Interface
        Has the handlers, the same as for REST.
    """

    def __init__(self, interface: Interface) -> None:
        self._interface = interface
        self._operations = longrunning.methods()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Return what answers the call of `details`; None if no service has such a method."""
        if details.method in self._operations:
            method, handler = self._operations[details.method]
            return self._unary(method, partial(self._operation, method, handler))
        if details.method not in self._interface.cloud.schema.rpcs:
            return self._known(details.method)
        method = self._interface.cloud.schema.rpcs[details.method]
        if method.name not in RAW_METHODS:
            return self._unary(method, partial(self._interface.call, method))
        if method.stream:
            return grpc.unary_stream_rpc_method_handler(
                partial(self._stream, method), self._reader(method), _written
            )
        return self._unary(method, partial(self._whole, method))

    def _known(self, path: str) -> grpc.RpcMethodHandler | None:
        name = ".".join(path.rpartition(".")[2].split("/"))
        if name not in self._interface.cloud.schema.known_rpcs:
            return None

        def refuse(_: bytes, context: Context) -> NoReturn:
            self._check(context, name)
            _abort(context, self._interface.unimplemented(name))

        return grpc.unary_unary_rpc_method_handler(refuse)

    def _unary(self, method: Method, call: Callable[[Message], Message]) -> Any:
        def answer(request: Message, context: Context) -> Message:
            with _words(context, method):
                self._check(context, method.name)
                return call(request)

        return grpc.unary_unary_rpc_method_handler(answer, self._reader(method), _written)

    def _check(self, context: Context, name: str) -> None:
        """Refuse a call as a REST request is refused, before its work."""
        host = context._rpc_event.call_details.host.decode()  # the HTTP/2 pseudo-header :authority
        headers = dict(context.invocation_metadata()) | {"host": host}
        authentication.check_origin(headers)
        reads = name.rpartition(".")[2].startswith(("Get", "List"))
        authentication.check(
            self._interface.cloud.tokens, headers, service=authentication.service(host), reads=reads
        )

    def _reader(self, method: Method) -> Callable[[bytes], Message]:
        read: Callable[[bytes], Message] = self._interface.cloud.schema.message(
            method.request
        ).FromString
        return read

    def _operation(self, method: Method, handler: Handler, request: Message) -> Message:
        cloud: Cloud = self._interface.cloud
        record = handler(cloud, cloud.schema.record(request))
        return cloud.schema.build(method.response, record)

    def _whole(self, method: Method, request: Message) -> Message:
        raw = self._interface.call_raw(method, _raw(request))
        data = b"".join(raw.parts)
        if raw.status >= 400:
            raise InternalError(data.decode(errors="replace"))
        return self._body(raw, data)

    def _stream(self, method: Method, request: Message, context: Context) -> Iterator[Message]:
        with _words(context, method):
            self._check(context, method.name)
            raw = self._interface.call_raw(method, _raw(request))
            for part in raw.parts:
                yield self._body(raw, part)

    def _body(self, raw: RawAnswer, data: bytes) -> Message:
        class_ = self._interface.cloud.schema.message("google.api.HttpBody")
        return class_(content_type=raw.content_type, data=data)


class _words:  # noqa: N801 - reads as a verb: `with _words(context, method):`
    """Turn errors into the call's status."""

    def __init__(self, context: Context, method: Method) -> None:
        self._context = context
        self._method = method

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, GcpError):
            _abort(self._context, error)
        if isinstance(error, ConnectionDropped):
            self._context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        if isinstance(error, Exception) and not self._context.code():
            log.error("%s", self._method.name, exc_info=error)
            _abort(self._context, InternalError(f"the emulator failed: {error!r}"))


class Calls:
    """The running server of the front on 127.0.0.1.

    Parameters
    ----------
    port : int
        Where to listen; 0 for a free port.
    interface : Interface
        Has the handlers.

    Raises
    ------
    OSError
        If another program has the port.
    """

    def __init__(self, port: int, interface: Interface) -> None:
        self._server = grpc.server(
            futures.ThreadPoolExecutor(THREADS),
            handlers=(Front(interface),),
            options=(("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.so_reuseport", 0)),
        )
        try:
            self.port: int = self._server.add_insecure_port(f"127.0.0.1:{port}")
        except RuntimeError as error:
            raise OSError(str(error)) from error
        self._server.start()

    def stop(self) -> None:
        """Close the connections."""
        self._server.stop(None)


def _raw(request: Any) -> Raw:
    return Raw(request.endpoint, request.http_body.content_type, request.http_body.data)


def _abort(context: Context, error: GcpError) -> NoReturn:
    if error.details:
        record = {"code": error.number, "message": error.message, "details": list(error.details)}
        status = json_format.ParseDict(record, status_pb2.Status())
        context.set_trailing_metadata(((_DETAILS, status.SerializeToString()),))
    context.abort(_CODES[error.number], error.message)
    raise error


def _written(message: Message) -> bytes:
    data: bytes = message.SerializeToString()
    return data
