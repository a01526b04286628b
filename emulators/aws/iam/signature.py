"""Signatures of requests, computed as the clients do: Signature Version 4, and S3's Version 2.

Sources: AWS IAM User Guide, "AWS Signature Version 4 for API requests"; Amazon S3 API Reference,
"Authenticating Requests: Using Query Parameters", "Signing and authenticating REST requests".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPMessage
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlsplit

from botocore.auth import HmacV1Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tridock.emulators.aws.protocol.calls import Environ

ALGORITHM = "AWS4-HMAC-SHA256"
STAMP = "%Y%m%dT%H%M%SZ"
#: What S3's clients send in the place of a payload's digest.
UNSIGNED = "UNSIGNED-PAYLOAD"
DIGEST = "x-amz-content-sha256"

#: Query parameters of presigned addresses, by the name of what they are in `Signed`.
_QUERY = ("X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature")
_PART = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")


class MalformedSignatureError(ValueError):
    """The parts of a signature are missing or contradict each other; the message says which."""


class UnsupportedAlgorithmError(ValueError):
    """The request is signed in another way than those of this module."""


@dataclass(frozen=True)
class Signed:
    """The signature of a request with the client's statements about it.

    Attributes
    ----------
    key : str
        Access key id.
    region, service : str
        Of the credential scope; empty for Version 2.
    time : datetime
        When it was signed; of a Version 2 address, when it ends.
    headers : tuple of str
        Names of the signed headers, in lower case; empty for Version 2.
    signature : str
        As sent.
    token : str
        Session token, empty for none.
    lifetime : int or None
        Seconds that a presigned address is valid; None for a header.
    version : int
        4 or 2.
    """

    key: str
    region: str
    service: str
    time: datetime
    headers: tuple[str, ...]
    signature: str
    token: str
    lifetime: int | None = None
    version: int = 4

    @property
    def scope(self) -> str:
        """Credential scope without the key: date, region, service."""
        return f"{self.time:%Y%m%d}/{self.region}/{self.service}/aws4_request"

    @property
    def is_s3(self) -> bool:
        """True if S3's own rules apply: the path as it is, the payload by its header."""
        return self.service.startswith("s3") or self.version == 2


def read(environ: Environ) -> Signed | None:
    """Return the signature of a request; None if it has none.

    Raises
    ------
    MalformedSignatureError, UnsupportedAlgorithmError
        If it cannot be read.
    """
    given = _message(environ).get("Authorization", "")
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    if given:
        return _in_header(given, environ)
    if "X-Amz-Algorithm" in query or "X-Amz-Signature" in query:
        return _in_query(query)
    if "AWSAccessKeyId" in query and "Signature" in query:
        end = datetime.fromtimestamp(_integer(query, "Expires"), UTC)
        token = query.get("x-amz-security-token", "")
        key = query["AWSAccessKeyId"]
        return Signed(key, "", "s3", end, (), query["Signature"], token, 0, version=2)
    return None


def expected(signed: Signed, environ: Environ, secret: str, digest: str) -> str:
    """Return the signature that the owner of `secret` gives this request.

    Parameters
    ----------
    digest : str
        SHA-256 of the payload in hexadecimal digits, or what S3 has in its place.
    """
    if signed.version == 2:
        return _version_2(signed, environ, secret)
    signer = (_S3Signer if signed.is_s3 else _Signer)(
        Credentials(signed.key, secret), signed.service, signed.region
    )
    headers = {name: _header(environ, name) for name in signed.headers}
    request = AWSRequest(environ["REQUEST_METHOD"], _url(environ, signed), headers)
    request.context |= {"timestamp": f"{signed.time:{STAMP}}", "digest": digest}
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return str(signer.signature(text, request))


def sign(signed: Signed, secret: str, text: str) -> str:
    """Return the signature of a text within the scope of a request: a chunk, a policy."""
    signer = SigV4Auth(Credentials(signed.key, secret), signed.service, signed.region)
    request = AWSRequest("POST", "http://s3/")
    request.context["timestamp"] = f"{signed.time:{STAMP}}"
    return str(signer.signature(text, request))


def sign_version_2(secret: str, text: str) -> str:
    """Return the signature of a text by S3's Version 2."""
    return str(HmacV1Auth(Credentials("", secret)).sign_string(text))


def credential(text: str, time: str) -> tuple[str, str, str, datetime]:
    """Read key, region and service of a credential, and the time of the request.

    Raises
    ------
    MalformedSignatureError
        If it is not ``key/date/region/service/aws4_request``, or of another date.
    """
    parts = text.split("/")
    if len(parts) < 5 or parts[-1] != "aws4_request":
        raise MalformedSignatureError(
            f"Credential must have exactly 5 slash-delimited elements, e.g. "
            f"keyid/date/region/service/term, got '{text}'"
        )
    try:
        when = datetime.strptime(time, STAMP).replace(tzinfo=UTC)
    except ValueError:
        raise MalformedSignatureError(
            f"Date must be in ISO-8601 'basic format'. Got '{time}'."
        ) from None
    date, region, service = parts[-4:-1]
    if date != time[:8]:
        raise MalformedSignatureError(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
            f"HTTP: '{date}' != '{time[:8]}', from '{time}'."
        )
    return "/".join(parts[:-4]), region, service, when


def unsigned_headers(signed: Signed, environ: Environ) -> list[str]:
    """Return the headers of AWS's own that the signature must cover and does not."""
    if signed.version == 2:
        return []
    present = {name.lower() for name in _message(environ) if name.lower().startswith("x-amz-")}
    return sorted(({"host"} | present) - set(signed.headers))


class _Signer(SigV4Auth):
    """Canonicalise exactly the headers and the digest that a client signed."""

    def headers_to_sign(self, request: Any) -> Any:
        return request.headers

    def payload(self, request: Any) -> str:
        return str(request.context["digest"])


class _S3Signer(_Signer):
    def _normalize_url_path(self, path: str) -> str:
        return path


def _in_header(given: str, environ: Environ) -> Signed:
    scheme, _, rest = given.partition(" ")
    if scheme == "AWS" and ":" in rest:
        key, _, signature = rest.partition(":")
        token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN", "")
        when = environ.get("HTTP_X_AMZ_DATE") or environ.get("HTTP_DATE", "")
        return Signed(key, "", "s3", _date(when), (), signature, token, version=2)
    if scheme != ALGORITHM:
        raise UnsupportedAlgorithmError(f"Unsupported AWS 'algorithm': '{scheme}'.")
    parts = dict(_PART.findall(rest))
    for name in ("Credential", "Signature", "SignedHeaders"):
        if name not in parts:
            raise MalformedSignatureError(
                f"Authorization header requires '{name}' parameter. Authorization={scheme}"
            )
    stamp = environ.get("HTTP_X_AMZ_DATE") or f"{_date(environ.get('HTTP_DATE', '')):{STAMP}}"
    key, region, service, when = credential(parts["Credential"], stamp)
    headers = tuple(parts["SignedHeaders"].lower().split(";"))
    token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN", "")
    return Signed(key, region, service, when, headers, parts["Signature"], token)


def _in_query(query: dict[str, str]) -> Signed:
    if query.get("X-Amz-Algorithm") != ALGORITHM:
        raise UnsupportedAlgorithmError(
            f"Unsupported AWS 'algorithm': '{query.get('X-Amz-Algorithm')}'."
        )
    missing = [name for name in _QUERY if not query.get(name)]
    if missing:
        raise MalformedSignatureError(f"AWS query-string parameters must include {missing}.")
    key, region, service, when = credential(query["X-Amz-Credential"], query["X-Amz-Date"])
    headers = tuple(query["X-Amz-SignedHeaders"].lower().split(";"))
    # Services that presign calls of STS leave it out: then it is 15 minutes.
    lifetime = _integer(query, "X-Amz-Expires") if "X-Amz-Expires" in query else 900
    token, signature = query.get("X-Amz-Security-Token", ""), query["X-Amz-Signature"]
    return Signed(key, region, service, when, headers, signature, token, lifetime)


def _version_2(signed: Signed, environ: Environ, secret: str) -> str:
    names = ("content-md5", "content-type")
    headers = [(name, _header(environ, name)) for name in names if _header(environ, name)]
    headers += [
        (name.lower(), _header(environ, name))
        for name in dict.fromkeys(_message(environ))
        if name.lower().startswith("x-amz-")
    ]
    if signed.lifetime is not None:
        date = str(int(signed.time.timestamp()))
        query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
        headers += [(n, v) for n, v in query.items() if n.startswith("x-amz-")]
    else:
        date = "" if environ.get("HTTP_X_AMZ_DATE") else environ.get("HTTP_DATE", "")
    signer = HmacV1Auth(Credentials(signed.key, secret))
    standard = dict(headers)
    custom = "".join(f"{n}:{v.strip()}\n" for n, v in sorted(headers) if n.startswith("x-amz-"))
    path = _path(environ)
    bucket = re.match(r"(.+)\.s3[.-]", environ.get("HTTP_HOST", ""))
    path = f"/{bucket[1]}{path}" if bucket else path
    split = urlsplit(f"http://s3/?{environ.get('QUERY_STRING', '')}")
    resource = signer.canonical_resource(split, auth_path=path)
    first = [environ["REQUEST_METHOD"], *(standard.get(name, "") for name in names), date]
    return sign_version_2(secret, "\n".join(first) + f"\n{custom}{resource}")


def _url(environ: Environ, signed: Signed) -> str:
    """Return the address with its path and query in canonical encoding."""
    path = _path(environ)
    path = quote(unquote_to_bytes(path), safe="/-_.~") if signed.is_s3 else path.replace("#", "%23")
    pairs = [pair.partition("=") for pair in environ.get("QUERY_STRING", "").split("&") if pair]
    query = "&".join(
        f"{_encoded(name)}={_encoded(value)}" for name, _, value in pairs if name != _QUERY[-1]
    )
    return f"http://host{path}?{query}"


def _encoded(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="-_.~")


def _path(environ: Environ) -> str:
    """Return the path as it was sent (RFC 9112, 3.2: proxies may be sent a whole address)."""
    raw = str(environ.get("RAW_URI") or environ["PATH_INFO"])
    return raw.partition("?")[0] if raw.startswith("/") else urlsplit(raw).path or "/"


def _message(environ: Environ) -> HTTPMessage:
    message: HTTPMessage = environ["tridock.headers"]
    return message


def _header(environ: Environ, name: str) -> str:
    """Return a header's values as the client encoded them, joined."""
    values = _message(environ).get_all(name) or []
    return ",".join(_text(value) for value in values)


def _text(value: str) -> str:
    """Read as UTF-8 what the server read as Latin-1 (RFC 9110, 5.5)."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _date(text: str) -> datetime:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (TypeError, ValueError):
        raise MalformedSignatureError(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        ) from None


def _integer(query: dict[str, str], name: str) -> int:
    try:
        return int(query[name])
    except (KeyError, ValueError):
        raise MalformedSignatureError(f"{name} should be a number") from None
