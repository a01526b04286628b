"""IAM enforcement, once it is switched on: the data plane too, and in each protocol's words.

Switched on as in moto: ``POST /moto-api/reset-auth`` with the body ``0``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto import settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import JsonRESTError
from moto.core.request import Request
from moto.core.responses import BaseResponse
from moto.iam.access_control import IAMRequest
from werkzeug.exceptions import HTTPException

from emulators.aws.calls import Call, Environ
from emulators.aws.cloud import Cloud
from emulators.aws.errors import AwsError

#: What the services that speak JSON call the refusals that IAM's own protocol names otherwise.
_IN_JSON = {
    "AccessDenied": "AccessDeniedException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "InvalidClientTokenId": "UnrecognizedClientException",
}


def install(cloud: Cloud) -> None:
    """Word moto's refusals for clients that expect JSON."""
    name = "_authenticate_and_authorize_normal_action"
    setattr(BaseResponse, name, _worded(getattr(BaseResponse, name)))


def authorize(call: Call, environ: Environ, body: bytes) -> None:
    """Return if IAM lets the caller invoke the endpoint; always, while it is not enforced.

    Raises
    ------
    AwsError
        If the signature is wrong, or no policy allows the call.
    """
    if ActionAuthenticatorMixin.request_count < settings.INITIAL_NO_AUTH_ACTION_COUNT:
        return
    endpoint = f"arn:aws:sagemaker:{call.region}:{call.account}:endpoint/{call.endpoint.lower()}"
    try:
        request = IAMRequest(
            account_id=call.account,
            method=environ["REQUEST_METHOD"],
            path=environ["PATH_INFO"],
            data={},
            body=body,
            headers=Request(environ).headers,  # type: ignore[arg-type]
            action=call.operation,
        )
        request.check_signature()
        request.check_action_permitted(endpoint)
    except HTTPException as error:
        kind = str(getattr(error, "error_type", "AccessDenied"))
        message = f"{getattr(error, 'message', '')} on resource: {endpoint}"
        raise AwsError(_IN_JSON.get(kind, kind), message, status=403) from error


def _worded(check: Callable[..., None]) -> Callable[..., None]:
    def authenticate_and_authorize(self: Any, resource: str = "*") -> None:
        try:
            check(self, resource)
        except HTTPException as error:
            kind = str(getattr(error, "error_type", ""))
            if not self.headers.get("X-Amz-Target") or kind not in _IN_JSON:
                raise
            worded = JsonRESTError(_IN_JSON[kind], str(getattr(error, "message", "")))
            worded.code = 400
            raise worded from error

    return authenticate_and_authorize
