"""Microsoft Entra: tokens for client credentials and managed identities, checked where used.

Source: Microsoft identity platform, "OAuth 2.0 client credentials flow" and "OpenID Connect";
App Service, "REST endpoint reference" of managed identities.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from emulators.azure.call import Answer, Call
from emulators.azure.errors import AzureError, missing

#: Who every client is.
TENANT = "11111111-1111-1111-1111-111111111111"
CLIENT = "22222222-2222-2222-2222-222222222222"
CLIENT_SECRET = "emulated"  # noqa: S105 - opens nothing
IDENTITY_HEADER = "emulated"

#: Life of a token in seconds.
LIFE = 3600

#: What a token for Resource Manager may be made out to.
MANAGEMENT_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
MACHINE_LEARNING_AUDIENCES = ("https://ml.azure.com", "https://ml.azure.local")
STORAGE_AUDIENCES = ("https://storage.azure.com",)


class Entra:
    """Issues tokens, and recognises its own only: a real one is refused here.

    Parameters
    ----------
    key : bytes
        Secret that signs.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self.key = key or secrets.token_bytes(32)

    def answer(self, call: Call) -> Answer:
        """Answer a request to the login host."""
        route = call.path.strip("/")
        if route == "common/discovery/instance":
            return Answer(200, self._instances(call))
        if route.endswith(".well-known/openid-configuration"):
            return Answer(200, self._configuration(call, route.split("/")[0]))
        if route.endswith(("oauth2/v2.0/token", "oauth2/token")) and call.method == "POST":
            return Answer(200, self._token(call, route.split("/")[0]))
        if route.startswith("common/UserRealm") or route.endswith("discovery/v2.0/keys"):
            return Answer(200, {"keys": []})
        raise missing(call.path)

    def identity(self, call: Call) -> Answer:
        """Answer the endpoint of a managed identity."""
        if call.headers.get("x-identity-header") != IDENTITY_HEADER:
            raise AzureError(401, "Unauthorized", "The X-IDENTITY-HEADER is missing or wrong.")
        audience = call.query.get("resource", "").rstrip("/")
        ends = int(time.time()) + LIFE
        token = self.issue(audience, lifetime=LIFE)
        found = {"access_token": token, "expires_on": str(ends), "resource": audience}
        return Answer(200, found | {"token_type": "Bearer", "client_id": CLIENT})

    def issue(self, audience: str, *, lifetime: int = LIFE, **claims: Any) -> str:
        """Return a token for `audience` that is good for `lifetime` seconds."""
        ends = int(time.time()) + lifetime
        facts = {"aud": audience, "exp": ends, "iss": f"https://sts.windows.net/{TENANT}/"}
        facts |= {"tid": TENANT, "oid": CLIENT, "appid": CLIENT, **claims}
        text = ".".join((_pack({"alg": "HS256", "typ": "JWT"}), _pack(facts)))
        return f"{text}.{self._sign(text)}"

    def claims(self, token: str) -> Mapping[str, Any] | None:
        """Return what a token of ours says, expired or not; None if it is not ours."""
        text, _, signature = token.rpartition(".")
        if not text or not hmac.compare_digest(signature, self._sign(text)):
            return None
        found: dict[str, Any] = json.loads(_unpack(text.partition(".")[2]))
        return found

    def check(self, call: Call, audiences: tuple[str, ...]) -> None:
        """Let a request through that bears a good token for one of `audiences`.

        Raises
        ------
        AzureError
            401 with what is wrong with the token.
        """
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _refuse(call, "AuthenticationFailed", "The 'Authorization' header is missing.")
        claims = self.claims(token)
        if claims is None:
            raise _refuse(call, "InvalidAuthenticationToken", "The access token is invalid.")
        if claims["exp"] < time.time():
            raise _refuse(call, "ExpiredAuthenticationToken", "The access token has expired.")
        own = (call.front.management,) if call.front.local else ()
        if claims["aud"] not in (*audiences, *own):
            message = f"The access token is for '{claims['aud']}', not for '{audiences[0]}'."
            raise _refuse(call, "InvalidAuthenticationTokenAudience", message)

    def _token(self, call: Call, tenant: str) -> dict[str, Any]:
        form = dict(parse_qsl(call.body.decode()))
        grant = form.get("grant_type", "")
        if grant not in ("client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer"):
            raise _oauth(70003, "unsupported_grant_type", f"grant type '{grant}' is not emulated")
        if not form.get("client_id"):
            raise _oauth(900144, "invalid_request", "the body must contain 'client_id'")
        if not (form.get("client_secret") or form.get("client_assertion")):
            raise _oauth(7000216, "invalid_client", "'client_secret' is required")
        scope = form.get("scope", "").split(" ")[0].removesuffix("/.default")
        audience = (scope or form.get("resource", "")).rstrip("/")
        if not audience:
            raise _oauth(900144, "invalid_request", "the body must contain 'scope'")
        token = self.issue(audience, tid=tenant, appid=form["client_id"])
        found = {"token_type": "Bearer", "expires_in": LIFE, "ext_expires_in": LIFE}
        return found | {"access_token": token}

    def _configuration(self, call: Call, tenant: str) -> dict[str, Any]:
        root = f"{call.front.login}/{tenant}"
        return {
            "token_endpoint": f"{root}/oauth2/v2.0/token",
            "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{root}/discovery/v2.0/keys",
            "issuer": f"{root}/v2.0",
            "response_types_supported": ["code", "id_token"],
            "subject_types_supported": ["pairwise"],
        }

    def _instances(self, call: Call) -> dict[str, Any]:
        hosts = ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com"]
        cloud = {
            "preferred_network": "login.microsoftonline.com",
            "preferred_cache": "login.windows.net",
            "aliases": hosts,
        }
        root = f"{call.front.login}/{TENANT}/v2.0"
        found = f"{root}/.well-known/openid-configuration"
        return {"tenant_discovery_endpoint": found, "api-version": "1.1", "metadata": [cloud]}

    def _sign(self, text: str) -> str:
        digest = hmac.new(self.key, text.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _refuse(call: Call, code: str, message: str) -> AzureError:
    where = f'Bearer authorization_uri="{call.front.login}/{TENANT}", error="invalid_token"'
    text = f"Authentication failed. {message}"
    return AzureError(401, code, text, headers={"WWW-Authenticate": where})


def _oauth(number: int, error: str, message: str) -> AzureError:
    return OAuthError(400, error, f"AADSTS{number}: {message}")


class OAuthError(AzureError):
    """A refusal in the words of OAuth 2.0 (RFC 6749, 5.2)."""

    def as_json(self) -> dict[str, Any]:
        """Return the members that stand at the top of the answer."""
        return {"error": self.code, "error_description": self.message}


def _pack(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _unpack(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
