"""Access to blobs: shared keys and shared access signatures, made and checked, and Entra tokens.

Source: Azure Storage, "Authorize with Shared Key", "Create an account SAS", "Create a service SAS"
and "Create a user delegation SAS".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from urllib.parse import urlencode

from tridock.emulators.azure.core.entra import STORAGE_AUDIENCES, TENANT, Entra, bearer
from tridock.emulators.azure.http.call import Call
from tridock.emulators.azure.http.errors import AzureError
from tridock.emulators.azure.http.front import ACCOUNT

#: The format of the signatures we make.
VERSION = "2021-12-02"
#: Dates that end a signature's life, from the longest to the shortest form.
TIMES = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d")
HERE = "127.0.0.1"

#: Signed fields, in the order of the string that is signed.
ACCOUNT_FIELDS = ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv")
KEY_FIELDS = ("skoid", "sktid", "skt", "ske", "sks", "skv")
OVERRIDES = ("rscc", "rscd", "rsce", "rscl", "rsct")
#: Fields that came with a version of the format: a client that signs an older one has not got them.
ENCRYPTION_SINCE = "2020-12-06"
DELEGATION_SINCE = "2020-02-10"
RESOURCE_SINCE = "2018-11-09"
GUEST_SINCE = "2025-07-05"
REQUEST_SINCE = "2026-04-06"

#: Headers that a shared key signs, in order.
SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
) + ("date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range")

MISMATCH = "Signature did not match."


@dataclass(frozen=True)
class Need:
    """Action of a request, as signatures allow it.

    Attributes
    ----------
    path : str
        ``"/container"`` or ``"/container/blob"``.
    permissions : str
        Letters of ``sp``, of which one allows it.
    resource : str
        Letter of ``srt``: ``"s"`` the service, ``"c"`` a container, ``"o"`` a blob.
    """

    path: str
    permissions: str
    resource: str


@dataclass(frozen=True)
class Signatures:
    """Signatures of one storage account.

    Attributes
    ----------
    key : str
        The account's, in base64.
    """

    key: str = field(repr=False)
    accepts_any: bool = False

    def sign(self, *, hours: float = 8.0, permissions: str = "rwdlacupx") -> str:
        """Return the query string of an account signature for all of blob storage."""
        end = (datetime.now(UTC) + timedelta(hours=hours)).strftime(TIMES[0])
        fields = {"sv": VERSION, "ss": "b", "srt": "sco", "sp": permissions, "se": end}
        fields["spr"] = "https"
        return urlencode({**fields, "sig": self._of_account(fields)})

    def delegation_key(self, began: str, ends: str, oid: str) -> dict[str, str]:
        """Return a key by which a client signs for the identity that it is."""
        fields = dict(zip(KEY_FIELDS, (oid, TENANT, began, ends, "b", VERSION), strict=True))
        return {**fields, "value": self._delegated(fields)}

    def check(self, call: Call, entra: Entra, need: Need) -> None:
        """Let a request to blob storage through that may do what it asks.

        Raises
        ------
        AzureError
            401 without credentials, 403 with ones that do not fit.
        """
        authorization = call.headers.get("authorization", "")
        if authorization.lower().startswith("bearer "):
            self._check_token(call, entra)
        elif authorization.startswith("SharedKey "):
            self._check_shared_key(call, authorization.removeprefix("SharedKey "))
        elif call.query.get("sig"):
            self._check_signature(call.query, need)
        else:
            raise challenge(call, "NoAuthenticationInformation")

    def _check_token(self, call: Call, entra: Entra) -> None:
        token = bearer(call)
        fault = entra.fault(token, STORAGE_AUDIENCES)
        if fault and not (self.accepts_any and token):
            raise challenge(call, "InvalidAuthenticationInfo", fault[1])

    def _check_shared_key(self, call: Call, given: str) -> None:
        name, _, signature = given.partition(":")
        if self.accepts_any and signature:
            return
        if name != ACCOUNT or not _is_same(signature, _hmac(self.key, _request(call))):
            raise _refuse("The MAC signature found in the HTTP request is not the same as any "
                          "computed signature.")  # fmt: skip

    def _check_signature(self, fields: Mapping[str, str], need: Need) -> None:
        if self.accepts_any:
            return
        if "srt" in fields:
            wanted = self._of_account(fields)
        elif fields.get("sr") in ("c", "b") and "si" not in fields:
            wanted = self._of_resource(fields, need)
        else:
            raise _refuse("Signatures for directories, versions and stored policies are not known.")
        if not _is_same(fields["sig"], wanted):
            raise _refuse(MISMATCH)
        _check_times(fields)
        _check_rights(fields, need)

    def _of_account(self, fields: Mapping[str, str]) -> str:
        names = (*ACCOUNT_FIELDS, *(("ses",) if fields.get("sv", "") >= ENCRYPTION_SINCE else ()))
        return _hmac(self.key, "\n".join([ACCOUNT, *_values(fields, names), ""]))

    def _of_resource(self, fields: Mapping[str, str], need: Need) -> str:
        """Sign what a signature of a container or a blob says, by the account's or the lent key."""
        path = need.path if fields["sr"] == "b" else "/" + need.path.strip("/").split("/")[0]
        version, is_delegated = fields.get("sv", ""), "skoid" in fields
        before = [*_values(fields, ("sp", "st", "se")), f"/blob/{ACCOUNT}{path}"]
        names = ["si"]
        if is_delegated:
            names = [*KEY_FIELDS, *_since(version, DELEGATION_SINCE, "saoid", "suoid", "scid")]
            names += _since(version, GUEST_SINCE, "skdutid", "sduoid")
        names += ["sip", "spr", "sv", *_since(version, RESOURCE_SINCE, "sr", "snapshot")]
        names += _since(version, ENCRYPTION_SINCE, "ses")
        names += _since(version, REQUEST_SINCE, "srh", "srq") if is_delegated else ()
        key = self._delegated(fields) if is_delegated else self.key
        return _hmac(key, "\n".join([*before, *_values(fields, (*names, *OVERRIDES))]))

    def _delegated(self, fields: Mapping[str, str]) -> str:
        return _hmac(self.key, "\n".join(_values(fields, KEY_FIELDS)))


def challenge(call: Call, code: str, detail: str = "") -> AzureError:
    """Make the refusal of a request that brings no credentials, or a token that is not good."""
    text = "Server failed to authenticate the request. Please refer to the information in the"
    where = f"{call.front.login}/{TENANT}/oauth2/authorize"
    headers = {
        "WWW-Authenticate": f"Bearer authorization_uri={where} resource_id={STORAGE_AUDIENCES[0]}"
    }
    return AzureError(401, code, f"{text} www-authenticate header. {detail}".strip(), (), headers)


def _check_times(fields: Mapping[str, str]) -> None:
    """Refuse a signature before and after its time; a lent key has a time of its own."""
    now = datetime.now(UTC)
    for start, end in (("st", "se"), *((("skt", "ske"),) if "skoid" in fields else ())):
        ends = _time(fields.get(end, ""))
        begins = _time(fields[start]) if fields.get(start) else now
        if not begins <= now < ends:
            frame = f"Start [{begins}] - Expiry [{ends}] - Current [{now:%Y-%m-%d %H:%M:%S}]"
            raise _refuse(f"Signature not valid in the specified time frame: {frame}.")


def _check_rights(fields: Mapping[str, str], need: Need) -> None:
    text = "This request is not authorized to perform this operation using this"
    if fields.get("sip") and not _is_within(HERE, fields["sip"]):
        raise AzureError(403, "AuthorizationSourceIPMismatch", f"{text} source IP {HERE}.")
    if "srt" in fields and "b" not in fields.get("ss", ""):
        raise AzureError(403, "AuthorizationServiceMismatch", f"{text} service.")
    if "srt" in fields and need.resource not in fields["srt"]:
        raise AzureError(403, "AuthorizationResourceTypeMismatch", f"{text} resource type.")
    if not set(need.permissions) & set(fields.get("sp", "")):
        raise AzureError(403, "AuthorizationPermissionMismatch", f"{text} permission.")


def _request(call: Call) -> str:
    """Return the string of a request that a shared key signs."""
    headers = {**call.headers}
    if headers.get("content-length") == "0":
        del headers["content-length"]
    own = sorted(name for name in headers if name.startswith("x-ms-"))
    query = sorted((name.lower(), value) for name, value in call.query.items())
    lines = [call.method, *(headers.get(name, "") for name in SIGNED_HEADERS)]
    lines += [f"{name}:{headers[name].strip()}" for name in own]
    lines += [f"/{ACCOUNT}{call.raw_path}", *(f"{name}:{value}" for name, value in query)]
    return "\n".join(lines)


def _hmac(key: str, text: str) -> str:
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _is_same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _values(fields: Mapping[str, str], names: Iterable[str]) -> list[str]:
    return [fields.get(name, "") for name in names]


def _since(version: str, first: str, *names: str) -> tuple[str, ...]:
    return names if version >= first else ()


def _time(text: str) -> datetime:
    for form in TIMES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise _refuse(f"'{text}' is no time: write it as 2026-01-31T10:00:00Z.")


def _is_within(address: str, span: str) -> bool:
    """Return whether an address is the one of ``sip``, or in its range ``a-b``."""
    first, _, last = span.partition("-")
    try:
        return IPv4Address(first) <= IPv4Address(address) <= IPv4Address(last or first)
    except ValueError:
        return False


def _refuse(message: str) -> AzureError:
    text = "Server failed to authenticate the request. Make sure the value of Authorization header"
    return AzureError(
        403,
        "AuthenticationFailed",
        f"{text} is formed correctly including the signature. {message}",
    )
