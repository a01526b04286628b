"""botocore's errors to ours: one table, one place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from tridock.deploy.target.errors import (
    BusyError,
    ConfigError,
    ConflictError,
    CredentialsError,
    DeployError,
    InvokeError,
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    TargetError,
    UnavailableError,
    of_cloud,
)

ADVICE = (
    "Name good credentials: `aws sso login`, AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY; `aws sts get-caller-identity` shows who you are"
)

#: "Common Error Types" of the SageMaker API, "Error responses" of the S3 API.
CODES: Mapping[str, type[TargetError]] = {
    "AccessDenied": PermissionDeniedError,
    "AccessDeniedException": PermissionDeniedError,
    "NotAuthorized": PermissionDeniedError,
    "UnauthorizedOperation": PermissionDeniedError,
    "403": PermissionDeniedError,  # an answer to HEAD has no body that could say more
    "ExpiredToken": CredentialsError,
    "ExpiredTokenException": CredentialsError,
    "IncompleteSignature": CredentialsError,
    "InvalidAccessKeyId": CredentialsError,
    "InvalidClientTokenId": CredentialsError,
    "MissingAuthenticationToken": CredentialsError,
    "SignatureDoesNotMatch": CredentialsError,
    "UnrecognizedClientException": CredentialsError,
    "EntityAlreadyExists": ConflictError,
    "ResourceInUse": ConflictError,
    "ConditionalRequestConflict": ConflictError,
    "ConflictException": ConflictError,
    "PreconditionFailed": ConflictError,
    "ResourceLimitExceeded": QuotaError,
    "ServiceQuotaExceededException": QuotaError,
    "404": NotFoundError,
    "NoSuchBucket": NotFoundError,
    "NoSuchEntity": NotFoundError,
    "NoSuchKey": NotFoundError,
    "ResourceNotFound": NotFoundError,
    "ResourceNotFoundException": NotFoundError,
    "InternalError": UnavailableError,
    "InternalFailure": UnavailableError,
    "InternalServerError": UnavailableError,
    "RequestTimeout": UnavailableError,
    "ServiceUnavailable": UnavailableError,
    "SlowDown": UnavailableError,
    "Throttling": UnavailableError,
    "ThrottlingException": UnavailableError,
    "TooManyRequestsException": UnavailableError,
}

#: SageMaker says ValidationException for these and means something else.
MEANINGS = (
    (
        re.compile(r"Could not find (endpoint|model |endpoint configuration)|not found\.?$"),
        NotFoundError,
    ),
    (re.compile(r"^ModelPackage(Group)? .* does not exist"), NotFoundError),
    (re.compile(r"^Model Package Group already exists"), ConflictError),
    (re.compile(r"in-progress|in progress|currently being \w+"), BusyError),
    (re.compile(r"Cannot (create already existing|delete)"), ConflictError),
)

_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.ProfileNotFound,
    boto.SSOError,
    boto.TokenRetrievalError,
)


@contextmanager
def translated(service: str) -> Iterator[None]:
    """Re-raise botocore's errors from the block as the error of ours that they mean.

    Parameters
    ----------
    service : str
        Prefix of the operation's name, e.g. ``"sagemaker"``.
    """
    try:
        yield
    except ClientError as error:
        raise _of_client(error, service) from error
    except BotoCoreError as error:
        raise _of_botocore(error, service) from error


def _of_client(error: ClientError, service: str) -> DeployError:
    content: Mapping[str, Any] = error.response
    code, message = content["Error"]["Code"], content["Error"]["Message"]
    operation, answer = f"{service}:{error.operation_name}", content["ResponseMetadata"]
    if code == "ModelError":
        answered = int(content.get("OriginalStatusCode", 0))
        text = f"the model answered {answered}: {content.get('OriginalMessage') or message}"
        return InvokeError(text, operation=operation, code=code, status=answered)
    kind = _kind(code, message, answer.get("HTTPStatusCode", 0))
    hint = answer.get("HTTPHeaders", {}).get("retry-after", "")
    after = float(hint) if hint.isdecimal() else None
    return of_cloud(kind, message, operation=operation, code=code, advice=ADVICE, retry_after=after)


def _kind(code: str, message: str, status: int) -> type[TargetError]:
    if code in CODES:
        return CODES[code]
    for pattern, kind in MEANINGS:
        if code.startswith("Validation") and pattern.search(message):
            return kind
    return UnavailableError if status in (429, 500, 502, 503, 504) else TargetError


def _of_botocore(error: BotoCoreError, service: str) -> DeployError:
    code = type(error).__name__
    if isinstance(error, _CREDENTIALS):
        return CredentialsError(f"{error}. {ADVICE}", operation=service, code=code)
    if isinstance(error, boto.NoRegionError):
        return ConfigError("no region: set region in [aws] of release.toml, or AWS_REGION")
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError):
        return UnavailableError(str(error), operation=service, code=code)
    return TargetError(str(error), operation=service, code=code)
