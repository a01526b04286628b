"""Microsoft Entra: tokens for client credentials and managed identities, checked where used.

Source: Microsoft identity platform, "OAuth 2.0 client credentials flow" and "OpenID Connect";
App Service, "REST endpoint reference" of managed identities.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from tridock.emulators.azure.core.credentials import Credentials
from tridock.emulators.azure.http.call import Answer, Call
from tridock.emulators.azure.http.errors import AzureError, missing
from tridock.emulators.azure.http.front import ACCOUNT, BLOB_SUFFIX

#: The tenant, and the application that every client is.
TENANT = "11111111-1111-1111-1111-111111111111"
CLIENT = "22222222-2222-2222-2222-222222222222"
ISSUER = f"https://sts.windows.net/{TENANT}/"

#: Life of a token in seconds.
LIFE = 3600

#: What a token for Resource Manager may be made out to.
MANAGEMENT_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
MACHINE_LEARNING_AUDIENCES = ("https://ml.azure.com", "https://ml.azure.local")
STORAGE_AUDIENCES = ("https://storage.azure.com", f"https://{ACCOUNT}{BLOB_SUFFIX}")


class Entra:
    """Issues tokens, and accepts only those: a token of the real Azure is refused here.

    Parameters
    ----------
    credentials : Credentials
        The client's secret, and the key that signs.
    """

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials

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
        given, wanted = call.headers.get("x-identity-header", ""), self.credentials.identity_header
        if not (_is_same(given, wanted) or (self.credentials.accepts_any and given)):
            raise AzureError(401, "Unauthorized", "The X-IDENTITY-HEADER is missing or wrong.")
        audience = call.query.get("resource", "").rstrip("/")
        ends = int(time.time()) + LIFE
        token = self.issue(audience, lifetime=LIFE)
        content = {"access_token": token, "expires_on": str(ends), "resource": audience}
        return Answer(200, content | {"token_type": "Bearer", "client_id": CLIENT})

    def issue(self, audience: str, *, lifetime: int = LIFE, **claims: Any) -> str:
        """Return a token for `audience` that is good for `lifetime` seconds."""
        began = int(time.time())
        facts = {"aud": audience, "iat": began, "nbf": began, "exp": began + lifetime}
        facts |= {"iss": ISSUER, "tid": TENANT, "oid": CLIENT, "appid": CLIENT, **claims}
        text = ".".join((_pack({"alg": "HS256", "typ": "JWT"}), _pack(facts)))
        return f"{text}.{self._sign(text)}"

    def claims(self, token: str) -> Mapping[str, Any] | None:
        """Return what a token of ours says, expired or not; None if it is not ours."""
        text, _, signature = token.rpartition(".")
        if not text or not _is_same(signature, self._sign(text)):
            return None
        content: dict[str, Any] = json.loads(_unpack(text.partition(".")[2]))
        return content

    def check(self, call: Call, audiences: tuple[str, ...]) -> None:
        """Let a request through that bears a good token for one of `audiences`.

        Raises
        ------
        AzureError
            401 with what is wrong with the token, in the words of Resource Manager.
        """
        token = bearer(call)
        if not token:
            raise _refuse(call, "AuthenticationFailed", "The 'Authorization' header is missing.")
        if self.credentials.accepts_any:
            return
        own = (call.front.management,) if call.front.local else ()
        fault = self.fault(token, (*audiences, *own))
        if fault:
            raise _refuse(call, *fault)

    def fault(self, token: str, audiences: tuple[str, ...]) -> tuple[str, str] | None:
        """Return code and message of what is wrong with a token; None if it is good."""
        claims = self.claims(token)
        if claims is None:
            return "InvalidAuthenticationToken", "The access token is invalid."
        if claims["tid"] != TENANT:
            issuer = f"the wrong issuer '{claims['iss']}'. It must match '{ISSUER}'"
            return "InvalidAuthenticationTokenTenant", f"The access token is from {issuer}."
        if not claims["nbf"] <= time.time() < claims["exp"]:
            ended, today = _utc(claims["exp"]), _utc(time.time())
            text = f"The access token expiry UTC time '{ended}' is earlier than current UTC time"
            return "ExpiredAuthenticationToken", f"{text} '{today}'."
        if claims["aud"].rstrip("/") not in audiences:
            text = "The access token has been obtained for wrong audience or resource"
            allowed = f"one of the allowed audiences '{','.join(audiences)}'"
            message = f"{text} '{claims['aud']}'. It should exactly match with {allowed}."
            return "InvalidAuthenticationTokenAudience", message
        return None

    def _token(self, call: Call, tenant: str) -> dict[str, Any]:
        form = dict(parse_qsl(call.body.decode(errors="replace")))
        if not self.credentials.accepts_any:
            self._authenticate(form, tenant)
        scope = form.get("scope", "").split(" ")[0]
        if scope and not scope.endswith("/.default"):
            text = f"The provided value for scope {scope} is not valid. Client credential flows"
            suffix = "must have a scope value with /.default suffixed to the resource identifier"
            raise _oauth(1002012, "invalid_scope", f"{text} {suffix}.")
        audience = (scope.removesuffix("/.default") or form.get("resource", "")).rstrip("/")
        if not audience:
            raise _oauth(900144, "invalid_request", f"{BODY} the following parameter: 'scope'.")
        token = self.issue(audience)
        content = {"token_type": "Bearer", "expires_in": LIFE, "ext_expires_in": LIFE}
        return content | {"access_token": token}

    def _authenticate(self, form: Mapping[str, str], tenant: str) -> None:
        """Refuse a client that is not the one of this account, in Entra's words."""
        grant, client = form.get("grant_type", ""), form.get("client_id", "")
        if tenant != TENANT:
            text = f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID"
            raise _oauth(90002, "invalid_request", f"{text}: {TENANT} is the only one here.")
        if grant != "client_credentials":
            raise _oauth(70003, "unsupported_grant_type", f"The grant type '{grant}' is not known.")
        if not client:
            raise _oauth(900144, "invalid_request", f"{BODY} the following parameter: 'client_id'.")
        if client != CLIENT:
            text = f"Application with identifier '{client}' was not found in the directory"
            raise _oauth(700016, "unauthorized_client", f"{text} '{TENANT}'.")
        if form.get("client_assertion"):
            text = "Client assertion failed signature validation: no certificate is registered."
            raise _oauth(700027, "invalid_client", text, status=401)
        if not form.get("client_secret"):
            text = "the following parameter: 'client_assertion' or 'client_secret'."
            raise _oauth(7000218, "invalid_client", f"{BODY} {text}", status=401)
        if not _is_same(form["client_secret"], self.credentials.client_secret):
            text = "Invalid client secret provided. Ensure the secret being sent in the request is"
            source = f"the client secret value for app '{CLIENT}': `emulators env azure` prints it"
            raise _oauth(7000215, "invalid_client", f"{text} {source}.", status=401)

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
        address = f"{root}/.well-known/openid-configuration"
        return {"tenant_discovery_endpoint": address, "api-version": "1.1", "metadata": [cloud]}

    def _sign(self, text: str) -> str:
        digest = hmac.new(self.credentials.signing_key, text.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def bearer(call: Call) -> str:
    """Return the token that a request bears (RFC 6750, 2.1); empty if it bears none."""
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


BODY = "The request body must contain"


def _is_same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%m/%d/%Y %I:%M:%S %p")


def _refuse(call: Call, code: str, message: str) -> AzureError:
    where = f'Bearer authorization_uri="{call.front.login}/{TENANT}", error="invalid_token"'
    text = f"Authentication failed. {message}" if code == "AuthenticationFailed" else message
    return AzureError(401, code, text, headers={"WWW-Authenticate": where})


def _oauth(number: int, error: str, message: str, *, status: int = 400) -> AzureError:
    return OAuthError(status, error, f"AADSTS{number}: {message}")


class OAuthError(AzureError):
    """A refusal in the words of OAuth 2.0 (RFC 6749, 5.2)."""

    def as_json(self) -> dict[str, Any]:
        """Return the members at the top of the answer."""
        number = int(self.message.partition(":")[0].removeprefix("AADSTS"))
        content = {"error": self.code, "error_description": self.message}
        return {**content, "error_codes": [number]}


def _pack(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _unpack(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
