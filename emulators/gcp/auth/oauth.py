"""Google's OAuth 2 endpoints: tokens for signed assertions, and whose a token is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from tridock.emulators.gcp.auth import jwt
from tridock.emulators.gcp.auth.tokens import (
    ACCOUNT,
    CLIENT_ID,
    TOKEN_SECONDS,
    TOKEN_URI,
    Caller,
    TokenError,
    Tokens,
)
from tridock.emulators.gcp.protocol.errors import UnauthenticatedError
from tridock.emulators.gcp.protocol.wire import Answer, Request

#: RFC 7523, 4: what a service account sends.
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: Seconds by which clients' clocks may differ.
SKEW = 300
_AUDIENCES = (
    TOKEN_URI,
    "https://www.googleapis.com/oauth2/v4/token",
    "https://accounts.google.com/o/oauth2/token",
)
_EMAIL = {"https://www.googleapis.com/auth/userinfo.email", "email"}


class GrantError(Exception):
    """An OAuth 2 refusal: its code and description (RFC 6749, 5.2)."""


def answer(tokens: Tokens, request: Request) -> Answer | None:
    """Answer a request to one of the endpoints; None if it is to none of them."""
    call = next((call for path, call in _CALLS if re.fullmatch(path, request.path)), None)
    if call is None:
        return None
    try:
        return Answer.of(call(tokens, request))
    except GrantError as error:
        code, description = error.args
        return Answer.of({"error": code, "error_description": description}, 400)


def token(tokens: Tokens, request: Request) -> Mapping[str, Any]:
    """Return an access token for an assertion that the service account's key has signed.

    An assertion with a ``target_audience`` is answered with an identity token.
    """
    form = dict(parse_qsl(request.body.decode(errors="replace")))
    if form.get("grant_type") != GRANT:
        _refuse_grant(form.get("grant_type", ""))
    claims = _claims(tokens, form.get("assertion", ""))
    account = str(claims["iss"])
    if claims.get("target_audience"):
        return {"id_token": tokens.identity(str(claims["target_audience"]), account)}
    scopes = tuple(str(claims.get("scope", "")).split())
    if not scopes:
        raise GrantError("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
    return {
        "access_token": tokens.access(account, scopes),
        "expires_in": TOKEN_SECONDS,
        "token_type": "Bearer",
    }


def token_info(tokens: Tokens, request: Request) -> Mapping[str, Any]:
    """Return whose a token is, what it is for, and until when."""
    form = dict(parse_qsl(request.body.decode(errors="replace"))) | dict(request.query)
    if "id_token" in form:
        claims = tokens.identified(form["id_token"])
        if claims is None:
            raise GrantError("invalid_token", "Invalid Value")
        return {name: _text(value) for name, value in claims.items()}
    try:
        caller = tokens.caller(form.get("access_token", ""))
    except TokenError as error:
        raise GrantError("invalid_token", "Invalid Value") from error
    left = int(caller.expires - tokens.now())
    return {
        "azp": CLIENT_ID,
        "aud": CLIENT_ID,
        "sub": CLIENT_ID,
        "scope": " ".join(caller.scopes),
        "exp": str(int(caller.expires)),
        "expires_in": str(left),
        "access_type": "online",
    } | _email(caller)


def user_info(tokens: Tokens, request: Request) -> Mapping[str, Any]:
    """Return who the bearer is (OpenID Connect Core, 5.3)."""
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        caller = tokens.caller(bearer)
    except TokenError as error:
        raise UnauthenticatedError("Invalid Credentials") from error
    return {"sub": CLIENT_ID} | ({"email": caller.account, "email_verified": True})


def certificates(tokens: Tokens, _: Request) -> Mapping[str, Any]:
    """Return the keys that identity tokens are verified with."""
    return tokens.certificates()


def allowed_locations(_: Tokens, __: Request) -> Mapping[str, Any]:
    """Return that the account may be used from everywhere ("Regional access boundary")."""
    return {"locations": [], "encodedLocations": "0x0"}


def _refuse_grant(kind: str) -> None:
    if not kind:
        raise GrantError("invalid_request", "Required parameter is missing: grant_type")
    if kind == "refresh_token":
        raise GrantError("invalid_grant", "Bad Request")
    raise GrantError("unsupported_grant_type", f"Invalid grant_type: {kind}")


def _claims(tokens: Tokens, assertion: str) -> dict[str, Any]:
    """Return the claims of an assertion, each held to Google's rules for service accounts."""
    try:
        claims = jwt.claims(assertion)
    except jwt.JwtError as error:
        raise GrantError("invalid_request", "Bad Request") from error
    if tokens.accepts_any:
        return {"iss": "anyone"} | claims
    if claims.get("iss") != ACCOUNT:
        raise GrantError("invalid_grant", "Invalid grant: account not found")
    if not tokens.is_of_account(assertion):
        raise GrantError("invalid_grant", "Invalid JWT Signature.")
    if claims.get("aud") not in _AUDIENCES:
        words = f"Invalid JWT: Failed audience check. The right audience is {TOKEN_URI}"
        raise GrantError("invalid_grant", words)
    if not is_current(claims, tokens.now()):
        raise GrantError(
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
            "timeframe. Check your iat and exp values in the JWT claim.",
        )
    return claims


def is_current(claims: Mapping[str, Any], now: float) -> bool:
    """Return whether a self-made token is valid now, and for an hour at most."""
    begin, end = claims.get("iat"), claims.get("exp")
    if not isinstance(begin, int | float) or not isinstance(end, int | float):
        return False
    return begin - SKEW <= now < end + SKEW and 0 < end - begin <= 3600


def _email(caller: Caller) -> dict[str, str]:
    """Return the address, which Google shows where the token is for it."""
    is_shown = _EMAIL & set(caller.scopes) or "cloud-platform" in " ".join(caller.scopes)
    return {"email": caller.account, "email_verified": "true"} if is_shown else {}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_CALLS: tuple[tuple[str, Callable[[Tokens, Request], Mapping[str, Any]]], ...] = (
    ("/token|/oauth2/v4/token", token),
    ("/tokeninfo|/oauth2/v[123]/tokeninfo", token_info),
    ("/oauth2/v[123]/userinfo|/v1/userinfo", user_info),
    ("/oauth2/v[13]/certs", certificates),
    ("/v1/projects/-/serviceAccounts/[^/]+/allowedLocations", allowed_locations),
)
