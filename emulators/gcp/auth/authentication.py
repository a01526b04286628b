"""Authentication of requests: refused in Google's words unless credentials were issued here."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from typing import Any

from tridock.emulators.access import LOOPBACK, refusal
from tridock.emulators.gcp.auth import jwt
from tridock.emulators.gcp.auth.oauth import is_current
from tridock.emulators.gcp.auth.tokens import ACCOUNT, TokenError, Tokens
from tridock.emulators.gcp.protocol.errors import (
    GcpError,
    PermissionDeniedError,
    UnauthenticatedError,
)

#: Hosts of Google's that end here; the proxy refuses all others.
HOSTS = ("*.googleapis.com", "*.prediction.vertexai.goog", "*.run.app")
_REGION = re.compile(r"^[a-z]+-[a-z]+\d+-")
_SCOPE = "https://www.googleapis.com/auth/"
_ALL = f"{_SCOPE}cloud-platform"
#: Besides `_ALL`, what opens a service: the first word of its scopes ("OAuth 2.0 scopes").
_OWN = {"storage": "devstorage", "logging": "logging", "monitoring": "monitoring"}
_OWN |= {"bigquery": "bigquery"}
_DOCUMENTATION = "See https://developers.google.com/identity/sign-in/web/devconsole-project."
_EXPECTED = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. "
    + _DOCUMENTATION
)
_WORDS = {
    "CREDENTIALS_MISSING": f"Request is missing required authentication credential. {_EXPECTED}",
}
_INVALID = f"Request had invalid authentication credentials. {_EXPECTED}"


def service(host: str) -> str:
    """Return the name of a service by one of its hosts: without the region."""
    return _REGION.sub("", host.partition(":")[0])


def check_origin(headers: Mapping[str, str]) -> None:
    """Refuse what a web page sends, and hosts that are none of this emulator's.

    Parameters
    ----------
    headers : Mapping of str to str
        Names in lower case; ``host`` is the name the client connected to.

    Raises
    ------
    PermissionDeniedError
        Before anything else is done.
    """
    reason = refusal(headers, HOSTS)
    if reason:
        raise PermissionDeniedError(f"The caller does not have permission: {reason}.")


def check(tokens: Tokens, headers: Mapping[str, str], *, service: str, reads: bool) -> None:
    """Refuse a request without an access token of this emulator that is for its service.

    Parameters
    ----------
    headers : Mapping of str to str
        Names in lower case.
    service : str
        Host of the interface, e.g. ``"storage.googleapis.com"``; for the ErrorInfo, and for scopes.
    reads : bool
        Whether it changes nothing.

    Raises
    ------
    UnauthenticatedError, PermissionDeniedError
        In the words of Google's front end.
    """
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise _unauthenticated("CREDENTIALS_MISSING", service)
    if tokens.accepts_any or _is_owner(tokens, headers, given):
        return
    if given.count(".") == 2 and not given.startswith("ya29."):
        _check_own(tokens, given, headers.get("host", ""), service)
        return
    try:
        caller = tokens.caller(given)
    except TokenError as error:
        raise _unauthenticated(str(error), service) from error
    if not _is_for(caller.scopes, service, reads=reads):
        raise PermissionDeniedError(
            "Request had insufficient authentication scopes.",
            [_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", service)],
        )


def check_identity(tokens: Tokens, headers: Mapping[str, str], audiences: tuple[str, ...]) -> None:
    """Refuse a request to a private Cloud Run service without an identity token for it.

    Raises
    ------
    PermissionDeniedError
        If there is none.
    UnauthenticatedError
        If it was not issued here, has expired, or is for another service.
    """
    name = "x-serverless-authorization"
    scheme, _, given = headers.get(name, headers.get("authorization", "")).partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise PermissionDeniedError(
            "The request was not authenticated. Either allow unauthenticated invocations "
            "(invoker_iam_disabled) or set the proper Authorization header: an identity token. "
            "Your client does not have permission to get this URL from this server."
        )
    if tokens.accepts_any:
        return
    claims = tokens.identified(given)
    if claims is None or claims.get("aud") not in audiences:
        raise UnauthenticatedError(
            "The request was not authorized to invoke this service: the access token could not be "
            f"verified. It must be an identity token for {audiences[0]}."
        )


def _is_owner(tokens: Tokens, headers: Mapping[str, str], given: str) -> bool:
    """Return whether the emulator's own secret came, to its own address."""
    host = headers.get("host", "").rpartition(":")[0]
    return host in LOOPBACK and hmac.compare_digest(given.encode(), tokens.secret.encode())


def _check_own(tokens: Tokens, token: str, host: str, service: str) -> None:
    """Accept a token that the service account signed itself («Self-signed JWT», AIP-4111)."""
    try:
        claims = jwt.claims(token)
    except jwt.JwtError as error:
        raise _unauthenticated("ACCESS_TOKEN_TYPE_UNSUPPORTED", service) from error
    audience = str(claims.get("aud", "")).removeprefix("https://").partition("/")[0]
    name = host.rpartition(":")[0] or host
    is_here = name == audience or name.endswith(f"-{audience}") or name in LOOPBACK
    is_for = bool(claims.get("scope")) if not audience else is_here
    is_ours = claims.get("iss") == claims.get("sub") == ACCOUNT and tokens.is_of_account(token)
    if not (is_ours and is_for):
        raise _unauthenticated("ACCESS_TOKEN_TYPE_UNSUPPORTED", service)
    if not is_current(claims, tokens.now()):
        raise _unauthenticated("ACCESS_TOKEN_EXPIRED", service)


def _is_for(scopes: tuple[str, ...], service: str, *, reads: bool) -> bool:
    if _ALL in scopes or (reads and f"{_ALL}.read-only" in scopes):
        return True
    own = _OWN.get(service.partition(".")[0])
    fitting = [scope for scope in scopes if own and scope.startswith(_SCOPE + own)]
    narrow = (".read_only", ".read", ".readonly") if not reads else (".write",)
    return any(not scope.endswith(narrow) for scope in fitting)


def _unauthenticated(reason: str, service: str) -> GcpError:
    return UnauthenticatedError(_WORDS.get(reason, _INVALID), [_info(reason, service)])


def _info(reason: str, service: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": service},
    }
