"""Refusals of callers, in the words of each service.

Sources: "Common errors" of each API reference; Amazon S3 API Reference, "Error responses".
"""

from __future__ import annotations

from enum import Enum

from moto.core.utils import get_service_model

from tridock.emulators.aws.protocol.calls import Call
from tridock.emulators.aws.protocol.errors import AwsError


class Reason(Enum):
    """Reasons to refuse a caller."""

    ANONYMOUS = "anonymous"
    MALFORMED = "malformed"
    ALGORITHM = "algorithm"
    UNKNOWN_KEY = "unknown key"
    SESSION = "session"
    ENDED = "ended"
    SKEWED = "skewed"
    MISMATCH = "mismatch"
    FOREIGN_IDENTITY = "foreign identity"


_INVALID = "The security token included in the request is invalid."
_MISMATCH = "The request signature we calculated does not match the signature you provided. Check "
_S3 = {
    Reason.ANONYMOUS: ("AccessDenied", 403, "Access Denied"),
    Reason.MALFORMED: ("AuthorizationHeaderMalformed", 400, ""),
    Reason.ALGORITHM: (
        "InvalidRequest",
        400,
        "The authorization mechanism you have provided is not supported. Please use "
        "AWS4-HMAC-SHA256.",
    ),
    Reason.UNKNOWN_KEY: (
        "InvalidAccessKeyId",
        403,
        "The AWS Access Key Id you provided does not exist in our records.",
    ),
    Reason.SESSION: ("InvalidToken", 400, "The provided token is malformed or otherwise invalid."),
    Reason.ENDED: ("ExpiredToken", 400, "The provided token has expired."),
    Reason.SKEWED: (
        "RequestTimeTooSkewed",
        403,
        "The difference between the request time and the current time is too large.",
    ),
    Reason.MISMATCH: ("SignatureDoesNotMatch", 403, f"{_MISMATCH}your key and signing method."),
}
_QUERY = {
    Reason.ANONYMOUS: (
        "MissingAuthenticationToken",
        403,
        "Request is missing Authentication Token",
    ),
    Reason.MALFORMED: ("IncompleteSignature", 400, ""),
    Reason.ALGORITHM: ("IncompleteSignature", 400, ""),
    Reason.UNKNOWN_KEY: ("InvalidClientTokenId", 403, _INVALID),
    Reason.SESSION: ("InvalidClientTokenId", 403, _INVALID),
    Reason.ENDED: ("ExpiredToken", 403, "The security token included in the request is expired"),
    Reason.SKEWED: ("SignatureDoesNotMatch", 403, ""),
    Reason.MISMATCH: (
        "SignatureDoesNotMatch",
        403,
        f"{_MISMATCH}your AWS Secret Access Key and signing method. Consult the service "
        "documentation for details.",
    ),
    Reason.FOREIGN_IDENTITY: (
        "InvalidIdentityToken",
        400,
        "No OpenIDConnect provider found in your account for the token's issuer",
    ),
}
_SPEAK_JSON = ("json", "rest-json", "smithy-rpc-v2-cbor")
#: What services that speak JSON call the same, and EC2.
_JSON = {
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "IncompleteSignature": "IncompleteSignatureException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "ExpiredToken": "ExpiredTokenException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
}
_EC2 = {
    "InvalidClientTokenId": (
        "AuthFailure",
        401,
        "AWS was not able to validate the provided access ",
    ),
    "SignatureDoesNotMatch": (
        "AuthFailure",
        401,
        "AWS was not able to validate the provided access ",
    ),
}


def refusal(call: Call, reason: Reason, said: str = "") -> AwsError:
    """Return the error of a service that refuses its caller.

    Parameters
    ----------
    said : str
        What the service says of this request where its words are not always the same.
    """
    protocol = get_service_model(call.service).protocol
    if call.service == "s3":
        code, status, message = _S3.get(reason, _S3[Reason.ANONYMOUS])
        # S3 has one sentence for these, for every difference.
        said = "" if reason in (Reason.SKEWED, Reason.ALGORITHM) else said
    else:
        code, status, message = _QUERY[reason]
    if protocol == "ec2" and code in _EC2:
        code, status, said = _EC2[code][0], _EC2[code][1], f"{_EC2[code][2]}credentials"
    if protocol in _SPEAK_JSON:
        code, status = _JSON.get(code, code), 403 if protocol == "rest-json" else 400
    return AwsError(code, said or message, status=status)


def denial(call: Call, said: str) -> AwsError:
    """Return the error for a request that no client of the emulator makes."""
    json = get_service_model(call.service).protocol in _SPEAK_JSON
    return AwsError("AccessDeniedException" if json else "AccessDenied", said, status=403)
