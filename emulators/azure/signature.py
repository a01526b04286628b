"""Access to blobs: shared access signatures, made and checked, and Entra tokens.

Source: Azure Storage, "Create an account SAS" and "Create a service SAS".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from emulators.azure.call import Call
from emulators.azure.entra import STORAGE_AUDIENCES, Entra
from emulators.azure.errors import AzureError
from emulators.azure.front import ACCOUNT

#: Key of the emulated account; made up, and good for nothing else.
ACCOUNT_KEY = base64.b64encode(b"the emulated account's key, no secret at all").decode()

#: The format of the signatures we make.
VERSION = "2021-12-02"
ACCOUNT_FIELDS = ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv", "ses")

#: Which letters of ``sp`` allow a request.
PERMISSIONS = {"GET": "rl", "HEAD": "rl", "PUT": "wcat", "DELETE": "d"}


def sign(*, hours: float = 8.0, permissions: str = "rwdlacupx") -> str:
    """Return the query string of an account signature for all of blob storage."""
    end = (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
    fields = {"sv": VERSION, "ss": "b", "srt": "sco", "sp": permissions, "se": end}
    return urlencode({**fields, "spr": "https", "sig": _account_signature(fields | HTTPS)})


HTTPS = {"spr": "https"}


def check(call: Call, entra: Entra) -> None:
    """Let a request to blob storage through that may do what it asks.

    Raises
    ------
    AzureError
        401 without credentials, 403 with ones that do not fit.
    """
    authorization = call.headers.get("authorization", "")
    if authorization.lower().startswith("bearer "):
        entra.check(call, STORAGE_AUDIENCES)
    elif authorization.startswith("SharedKey "):
        raise _refuse("Shared keys are not emulated: use a signature or an Entra token.")
    elif "sig" in call.query:
        _check_signature(call)
    else:
        raise AzureError(401, "NoAuthenticationInformation", "Server failed to authenticate.")


def _check_signature(call: Call) -> None:
    if "srt" not in call.query:
        raise _refuse("Service signatures are not emulated: use an account signature.")
    if not hmac.compare_digest(call.query["sig"], _account_signature(call.query)):
        raise _refuse("Signature did not match.")
    end = datetime.fromisoformat(call.query.get("se", "").replace("Z", "+00:00"))
    if end < datetime.now(UTC):
        raise _refuse(f"Signature not valid in the specified time frame: Expiry [{end}].")
    if not set(PERMISSIONS[call.method]) & set(call.query.get("sp", "")):
        message = "This request is not authorized to perform this operation using this permission."
        raise AzureError(403, "AuthorizationPermissionMismatch", message)


def _account_signature(fields: Mapping[str, str]) -> str:
    lines = [ACCOUNT, *(fields.get(name, "") for name in ACCOUNT_FIELDS), ""]
    key = base64.b64decode(ACCOUNT_KEY)
    digest = hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _refuse(message: str) -> AzureError:
    text = f"Server failed to authenticate the request. {message}"
    return AzureError(403, "AuthenticationFailed", text)
