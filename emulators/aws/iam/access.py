"""IAM enforcement, if it is switched on: for moto's services and for the data plane.

Switched on as in moto: ``POST /moto-api/reset-auth`` with the body ``0``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto import settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import AccessDeniedError, JsonRESTError
from moto.core.request import Request
from moto.core.responses import BaseResponse
from moto.iam.access_control import IAMPolicy, IAMRequest, IAMRequestBase, PermissionResult
from moto.s3.exceptions import S3ClientError
from werkzeug.exceptions import HTTPException

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.iam.permissions import Need, needs
from tridock.emulators.aws.protocol.calls import Call, Environ, replace_methods
from tridock.emulators.aws.protocol.errors import AwsError

#: What the services that speak JSON call the refusals that IAM's own protocol names otherwise.
_IN_JSON = {
    "AccessDenied": "AccessDeniedException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "InvalidClientTokenId": "UnrecognizedClientException",
}

#: Services that sign by another name than their actions begin with.
_SIGNING = ("cloudwatch",)

#: What an object in an encrypted bucket needs of the bucket's key.
_KEYS = {"PutObject": "kms:GenerateDataKey", "GetObject": "kms:Decrypt"}

#: Where moto keeps its two checks: of all services, and of S3.
_NORMAL = "_authenticate_and_authorize_normal_action"
_S3 = "_authenticate_and_authorize_s3_action"


def install(cloud: Cloud) -> None:
    """Check calls against the resources they name, and give JSON clients JSON error codes."""
    for name, changed in (
        (_NORMAL, lambda check: _in_json(_by_resource(check))),
        (_S3, _with_keys),
    ):
        setattr(BaseResponse, name, _unless_own(cloud.key.id, changed(getattr(BaseResponse, name))))
    # `authentication` has verified it, in every form; moto knows headers alone.
    replace_methods(IAMRequestBase, {"check_signature": _verified})


def is_enforced() -> bool:
    """Return whether IAM is switched on."""
    return ActionAuthenticatorMixin.request_count >= settings.INITIAL_NO_AUTH_ACTION_COUNT


def authorize(cloud: Cloud, call: Call, environ: Environ, body: bytes) -> None:
    """Return if IAM lets the caller invoke the endpoint; always, while it is not enforced.

    Raises
    ------
    AwsError
        If no policy allows the call.
    """
    if not is_enforced() or call.key == cloud.key.id:
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
        request.check_action_permitted(endpoint)
    except HTTPException as error:
        kind = str(getattr(error, "error_type", "AccessDenied"))
        message = f"{getattr(error, 'message', '')} on resource: {endpoint}"
        raise AwsError(_IN_JSON.get(kind, kind), message, status=403) from error


def _verified(_: IAMRequestBase) -> None:
    """Accept the signature."""


def _unless_own(own: str, check: Callable[..., None]) -> Callable[..., None]:
    """Let the account's own key do everything, as an account's root user may."""

    def authenticate_and_authorize(self: Any, *given: Any, **named: Any) -> None:
        if self.get_access_key() != own:
            check(self, *given, **named)

    return authenticate_and_authorize


def _by_resource(check: Callable[..., None]) -> Callable[..., None]:
    """Check each resource that a call names and its dependent actions; moto checks any resource."""

    def authenticate_and_authorize(self: Any, resource: str = "*") -> None:
        place = (self.current_account, self.region)
        action = f"{self.service_name}:{self._get_action()}"
        body = self.raw_body if is_enforced() else b""
        needed = list(needs(self.service_name, self._get_action(), body, place)) if body else []
        # moto's check knows no conditions, and takes a service for what it signs as.
        own = self.service_name not in _SIGNING
        plain = [need for need in needed if own and need.action == action and not need.context]
        if not needed or plain:
            for arn in [need.resource for need in plain] or [resource]:
                check(self, arn)
        for need in needed:
            if need not in plain:
                _require(self, need)

    return authenticate_and_authorize


def _with_keys(check: Callable[..., None]) -> Callable[..., None]:
    """Check that S3's callers may use the key with which a bucket encrypts its objects.

    "Using server-side encryption with AWS KMS keys", Permissions.
    """

    def authenticate_and_authorize(
        self: Any, bucket_name: str | None = None, key_name: str | None = None
    ) -> None:
        check(self, bucket_name=bucket_name, key_name=key_name)
        # HEAD needs GetObject, and decrypts nothing.
        needed = None if self.method == "HEAD" else _KEYS.get(self.data.get("Action", ""))
        if is_enforced() and key_name and needed:
            rule = (self.backend.get_bucket(bucket_name).encryption or {}).get("Rule", {})
            key = rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID")
            writes = needed == "kms:GenerateDataKey"
            if key and (writes or self.backend.get_object(bucket_name, key_name)):
                _require_key(self, Need(needed, key))

    return authenticate_and_authorize


def _request(response: Any, action: str) -> IAMRequest:
    return IAMRequest(
        account_id=response.current_account,
        method=response.method,
        path=response.raw_path,
        data={},
        body=response.raw_body,
        headers=response.headers,
        action=action,
    )


def _require(response: Any, need: Need) -> None:
    """Check that the caller's policies permit one need of a call."""
    caller = _request(response, need.action)._access_key
    results = {
        IAMPolicy(policy).is_action_permitted(
            need.action, need.resource, None, dict(need.context) or None
        )
        for policy in caller.collect_policies()
    }
    if PermissionResult.DENIED in results or PermissionResult.PERMITTED not in results:
        raise AccessDeniedError(user_arn=caller.arn, action=need.action)


def _require_key(response: Any, need: Need) -> None:
    """Check one need of a call; the refusal has S3's form."""
    try:
        _require(response, need)
    except AccessDeniedError as error:
        raise S3ClientError("AccessDenied", str(error.message)) from error


def _in_json(check: Callable[..., None]) -> Callable[..., None]:
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
