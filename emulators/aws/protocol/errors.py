"""The errors of the emulated AWS, in the wire form of each service.

* AwsError
  * ValidationError
  * NotImplementedOperationError
  * UnknownOperationError
  * InternalError
  * ThrottledError
  * UnavailableError

They are moto's `ServiceException`: raised inside moto's handlers or ours, they reach the client
through botocore's own description of the service's protocol (JSON, query, REST-JSON, REST-XML).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from botocore.model import OperationNotFoundError
from moto.core.exceptions import ServiceException
from moto.core.model import OperationModel
from moto.core.request import determine_request_protocol
from moto.core.responses import ActionResult, BaseResponse
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model

from tridock.emulators.aws.protocol.calls import Call, replace_methods


class AwsError(ServiceException):
    """A refusal with the service's own code.

    Parameters
    ----------
    code : str
        The service's error code, e.g. ``"ValidationException"``.
    message : str
        What the client reads.
    status : int, optional
        HTTP status, where the service model does not say one for `code`.
    **members : object
        Further members of the error's shape, e.g. ``OriginalStatusCode``.
    """

    def __init__(
        self, code: str, message: str, *, status: int | None = None, **members: object
    ) -> None:
        super().__init__(code, message)
        self.status = status
        self.headers: dict[str, str] = {}
        """Beside those that every answer has."""
        self.__dict__.update(members)


class ValidationError(AwsError):
    """The control plane refuses a request: ``ValidationException``, 400."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationException", message, status=400)


class NotImplementedOperationError(AwsError):
    """The emulator does not have this; 501, which no client retries."""

    def __init__(self, what: str) -> None:
        super().__init__("NotImplemented", f"{what} is not emulated.", status=501)


class UnknownOperationError(AwsError):
    """No service has such an operation: ``UnknownOperationException``, 400."""

    def __init__(self) -> None:
        super().__init__("UnknownOperationException", "The operation is unknown.", status=400)


class InternalError(AwsError):
    """Something went wrong on our side: ``InternalFailure``, 500."""

    def __init__(self, message: str) -> None:
        super().__init__("InternalFailure", message, status=500)


class ThrottledError(AwsError):
    """Too many calls: ``ThrottlingException``, 400."""

    def __init__(self) -> None:
        super().__init__("ThrottlingException", "Rate exceeded", status=400)


class UnavailableError(AwsError):
    """The service cannot answer now: ``ServiceUnavailable``, 503."""

    def __init__(self) -> None:
        super().__init__(
            "ServiceUnavailable",
            "The request has failed due to a temporary failure of the server.",
            status=503,
        )


@dataclass(frozen=True)
class Answer:
    """A complete HTTP answer.

    Attributes
    ----------
    status : int
        HTTP status.
    headers : tuple of (str, str)
        Header names and values.
    body : bytes
        The whole body.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def render(call: Call, error: ServiceException) -> Answer:
    """Put `error` into the wire form of the service that `call` was sent to."""
    model = get_service_model(call.service)
    protocol = _protocol(call, model)
    serializer = get_serializer_class(model.service_name, protocol)
    with warnings.catch_warnings():
        # moto warns that codes common to all services stand in no service's own model.
        warnings.simplefilter("ignore")
        made = serializer(operation_model=_operation(call, model)).serialize(error)
    body = made["body"]
    status = getattr(error, "status", None) or made["status_code"]
    headers = {name: str(value) for name, value in made["headers"].items()}
    headers |= getattr(error, "headers", {})
    headers["x-amzn-RequestId"] = call.id
    data = body.encode() if isinstance(body, str) else bytes(body)
    return Answer(int(status), tuple(headers.items()), data)


def install(cloud: object) -> None:
    """Make moto answer our errors with their own status."""
    serialized = BaseResponse.serialized

    def with_status(self: BaseResponse, result: ActionResult) -> Any:
        status, headers, body = serialized(self, result)
        return getattr(result.result, "status", None) or status, headers, body

    replace_methods(BaseResponse, {"serialized": with_status})


def _protocol(call: Call, model: Any) -> str:
    try:
        return determine_request_protocol(model, call.content_type)
    except NotImplementedError:
        return str(model.protocol)


def _operation(call: Call, model: Any) -> Any:
    try:
        return model.operation_model(call.operation)
    except OperationNotFoundError:
        return OperationModel({}, model)
