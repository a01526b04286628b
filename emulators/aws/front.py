"""The WSGI application: send each request to the data plane, the controls or moto."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext

from moto.core.exceptions import ServiceException
from moto.core.utils import get_service_model
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from tridock.emulators import access
from tridock.emulators.aws import control
from tridock.emulators.aws.control import StartResponse
from tridock.emulators.aws.dataplane import asynchronous
from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.dataplane.invoke import invoke
from tridock.emulators.aws.dataplane.requests import read_request
from tridock.emulators.aws.dataplane.stream import stream
from tridock.emulators.aws.iam.access import authorize
from tridock.emulators.aws.iam.authentication import Authentication
from tridock.emulators.aws.iam.refusals import denial
from tridock.emulators.aws.protocol.calls import Call, Environ, headers_of, identify, presumed
from tridock.emulators.aws.protocol.environment import HOSTS
from tridock.emulators.aws.protocol.errors import (
    Answer,
    InternalError,
    NotImplementedOperationError,
    UnavailableError,
    UnknownOperationError,
    render,
)
from tridock.emulators.aws.protocol.validation import check_body

log = logging.getLogger(__name__)

#: Addresses of the emulator itself: they need its secret.
_CONTROLS = (control.PREFIX, "/moto-api")

_WHOLE: dict[str, Callable[..., Answer]] = {
    "InvokeEndpoint": invoke,
    "InvokeEndpointAsync": asynchronous.accept,
}


class Front:
    """The WSGI application of the emulated AWS.

    Parameters
    ----------
    cloud : Cloud
        The emulated cloud that it answers for.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._token = access.secret(cloud.place.folder)
        self._authentication = Authentication(cloud.key, cloud.place.any_credentials)
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path, headers = environ["PATH_INFO"], headers_of(environ)
        reason = access.refusal(headers, HOSTS)
        if reason is None and path.startswith(_CONTROLS):
            if not access.is_authorized(headers, self._token):
                return _send(control.unauthorized(), start)
            if path.startswith(control.PREFIX):
                return _send(control.answer(self._cloud, environ), start)
            return self._moto_api(environ, start)
        if reason:
            log.warning("refused %s %r: %s", environ["REQUEST_METHOD"], path, reason)
            call = presumed(environ)
            return _send(render(call, denial(call, reason)), start)
        call = identify(environ, self._moto)
        try:
            self._authentication.check(call, environ)
            return control.answer_with_fault(
                self._cloud, call, environ, start, work=self._work(call)
            )
        except ServiceException as error:
            return _send(render(call, error), start)

    def _work(self, call: Call) -> control.Work:
        def work(environ: Environ, start: StartResponse) -> Iterable[bytes]:
            if not call.hosted:
                raise NotImplementedOperationError(_named(call))
            if call.endpoint:
                return answer_invocation(self._cloud, call, environ, start)
            _check(call, environ)
            return self._moto_call(call, environ, start)

        return work

    def _moto_call(self, call: Call, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """Let moto answer; its failures become errors that the client's SDK can read."""
        kept: list[tuple[str, list[tuple[str, str]]]] = []

        def keep(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            kept.append((status, headers))

        size = int(environ.get("CONTENT_LENGTH") or 0)
        with _on_disk(call):
            for check in self._cloud.before_change:
                check(call, size)
        try:
            # moto looks at an object, drops it and then writes: no other write and no
            # snapshot may come between.
            with self._cloud.lock if _is_upload(call, environ) else nullcontext():
                parts = self._moto(environ, keep)
        except NotImplementedError as error:
            raise NotImplementedOperationError(_named(call)) from error
        except ModuleNotFoundError as error:
            # moto imports some services' own dependencies at their first call.
            raise NotImplementedOperationError(f"{_named(call)} ({error})") from error
        except Exception as error:
            log.exception("%s", _named(call))
            raise InternalError(f"{_named(call)} failed in the emulator: {error!r}") from error
        status, headers = kept[0]
        # The answer to a HEAD has no body: there text/html is werkzeug's default and says nothing.
        bodied = environ["REQUEST_METHOD"] != "HEAD"
        if bodied and status.startswith(("404", "405")) and _is_html(headers):
            raise NotImplementedOperationError(_named(call))
        with _on_disk(call):
            for hook in self._cloud.on_change:
                hook(call)
        start(status, headers)
        return parts  # type: ignore[no-any-return]

    def _moto_api(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        parts: Iterable[bytes] = self._moto(environ, start)
        if environ["PATH_INFO"] == "/moto-api/reset":
            control.clear(self._cloud)
        return parts


@contextmanager
def _on_disk(call: Call) -> Iterator[None]:
    """Raise the service's UnavailableError if the disk refuses a change."""
    try:
        yield
    except OSError as error:
        log.warning("%s refused: %s", _named(call), error)
        raise UnavailableError from error


def _check(call: Call, environ: Environ) -> None:
    """Refuse an unknown operation, and check SageMaker's bodies against their model."""
    if not environ.get("HTTP_X_AMZ_TARGET"):
        return
    if call.operation not in get_service_model(call.service).operation_names:
        raise UnknownOperationError
    if call.service == "sagemaker":
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        check_body(call.service, call.operation, body)


def _is_upload(call: Call, environ: Environ) -> bool:
    """Return whether a call changes objects, and read its body into memory if it does."""
    if call.service != "s3" or environ["REQUEST_METHOD"] in ("GET", "HEAD"):
        return False
    environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read())
    return True


def _named(call: Call) -> str:
    return f"{call.service}:{call.operation or 'an unknown operation'}"


def _is_html(headers: list[tuple[str, str]]) -> bool:
    return any(n.lower() == "content-type" and v.startswith("text/html") for n, v in headers)


def _send(answer: Answer, start: StartResponse) -> Iterable[bytes]:
    length = ("Content-Length", str(len(answer.body)))
    start(f"{answer.status} ", [*answer.headers, length])
    return [answer.body]


def answer_invocation(
    cloud: Cloud, call: Call, environ: Environ, start: StartResponse
) -> Iterable[bytes]:
    """Answer one operation of ``sagemaker-runtime``, without moto and Flask.

    Raises
    ------
    AwsError
        For everything that the client should read as an error.
    """
    request = read_request(call, environ)
    authorize(cloud, call, environ, request.body)
    identity = ("x-amzn-RequestId", call.id)
    if call.operation == "InvokeEndpointWithResponseStream":
        headers, events = stream(cloud, request)
        start("200 OK", [*headers, identity])
        return events
    done = _WHOLE[call.operation](cloud, request)
    length = ("Content-Length", str(len(done.body)))
    start(f"{done.status} ", [*done.headers, identity, length])
    return [done.body]
