"""Credentials of the emulated project: a service account of our own, and tokens for it."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from emulators.gcp.cloud import PROJECT
from emulators.gcp.errors import UnauthenticatedError
from emulators.gcp.wire import Answer, Request

ACCOUNT = f"tridock@{PROJECT}.iam.gserviceaccount.com"
TOKEN_SECONDS = 3599


def write_key(path: Path) -> None:
    """Write a service-account file that Google's libraries read, unless there is one."""
    if path.exists():
        return
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    record = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "emulated",
        "private_key": pem,
        "client_email": ACCOUNT,
        "client_id": "100000000000000000000",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(record, indent=2))


def token(request: Request) -> Answer:
    """Return a token, whoever asks (RFC 7523): nothing real can be reached with it.

    An assertion with a ``target_audience`` is answered with an identity token.
    """
    audience = _audience(request)
    if audience:
        return Answer.of({"id_token": _identity(audience)})
    return Answer.of(
        {"access_token": "ya29.emulated", "expires_in": TOKEN_SECONDS, "token_type": "Bearer"}
    )


def _audience(request: Request) -> str:
    form = dict(parse_qsl(request.body.decode(errors="replace")))
    parts = form.get("assertion", "").split(".")
    if len(parts) != 3:
        return ""
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    return str(claims.get("target_audience", ""))


def _identity(audience: str) -> str:
    """Return a token of the form of RFC 7519; nobody here checks its signature."""
    now = int(time.time())
    claims = {"aud": audience, "iss": "https://accounts.google.com", "sub": "emulated"}
    parts = ({"alg": "RS256", "typ": "JWT"}, claims | {"iat": now, "exp": now + TOKEN_SECONDS})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts]
    return ".".join(part.rstrip("=") for part in (*encoded, "ZW11bGF0ZWQ"))


def allowed_locations(_: Request) -> Answer:
    """Return that the account may be used from everywhere ("Regional access boundary")."""
    return Answer.of({"locations": [], "encodedLocations": "0x0"})


def check(request: Request) -> None:
    """Refuse a request to a Google host that carries no credentials.

    Raises
    ------
    UnauthenticatedError
        In the words of Google's front end.
    """
    if not request.headers.get("authorization", "").startswith("Bearer "):
        raise UnauthenticatedError(
            "Request is missing required authentication credential. Expected OAuth 2 access "
            "token, login cookie or other valid authentication credential."
        )
