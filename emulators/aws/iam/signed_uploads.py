"""Uploads with signatures of their own: payloads signed by chunk, and forms with a policy.

Source: Amazon S3 API Reference, "Signature calculations for the authorization header:
transferring a payload in multiple chunks" and "… including trailing headers"; "Browser-based
uploads using POST": "POST policy", "Calculating a signature".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from werkzeug.formparser import parse_form_data

from tridock.emulators.aws.iam.signature import STAMP, Signed, credential, sign
from tridock.emulators.aws.protocol.calls import Environ

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

_EMPTY = hashlib.sha256(b"").hexdigest()
_LAST = b"x-amz-trailer-signature"

#: Fields that no condition has to name.
_FREE = ("x-amz-signature", "signature", "awsaccesskeyid", "file", "policy")


class ChunkError(ValueError):
    """A chunk is incomplete, or its signature is not that of its bytes."""


def check_chunks(body: bytes, signed: Signed, secret: str, *, trailer: bool) -> None:
    """Return if each chunk has the signature that continues the one before.

    Parameters
    ----------
    trailer : bool
        Whether headers with a signature of their own follow the last chunk.

    Raises
    ------
    ChunkError
        If one has not.
    """
    previous, file = signed.signature, io.BytesIO(body)
    while True:
        size, signature = _head(file.readline())
        data = file.read(size)
        if len(data) != size:
            raise ChunkError("the body ends inside a chunk")
        previous = _check(signed, secret, (previous, data), signature)
        if size == 0:
            break
        file.readline()
    if trailer:
        _check_trailer(file.read(), signed, secret, previous)


def _head(line: bytes) -> tuple[int, str]:
    size, _, rest = line.strip().partition(b";")
    name, _, signature = rest.partition(b"=")
    if name != b"chunk-signature":
        raise ChunkError("a chunk has no signature")
    try:
        return int(size, 16), signature.decode("ascii", "replace")
    except ValueError:
        raise ChunkError("a chunk's size is no number") from None


def _check(signed: Signed, secret: str, chunk: tuple[str, bytes], signature: str) -> str:
    previous, data = chunk
    text = _text("PAYLOAD", signed, previous, f"{_EMPTY}\n{hashlib.sha256(data).hexdigest()}")
    if not hmac.compare_digest(sign(signed, secret, text).encode(), signature.encode()):
        raise ChunkError("the signature of a chunk is not that of its bytes")
    return signature


def _check_trailer(rest: bytes, signed: Signed, secret: str, previous: str) -> None:
    lines = [line.strip() for line in rest.split(b"\n") if line.strip()]
    given = b"".join(b"%s\n" % line for line in lines if not line.startswith(_LAST))
    last = next((line for line in lines if line.startswith(_LAST)), b"")
    text = _text("TRAILER", signed, previous, hashlib.sha256(given).hexdigest())
    signature = last.partition(b":")[2].strip()
    if not hmac.compare_digest(sign(signed, secret, text).encode(), signature):
        raise ChunkError("the signature of the trailing headers is not theirs")


def _text(kind: str, signed: Signed, previous: str, digests: str) -> str:
    first = f"AWS4-HMAC-SHA256-{kind}\n{signed.time:{STAMP}}\n{signed.scope}\n"
    return f"{first}{previous}\n{digests}"


class PolicyError(ValueError):
    """The form is not what its policy allows; the message says why, in S3's words."""


@dataclass(frozen=True)
class Form:
    """The fields of an upload.

    Attributes
    ----------
    fields : Mapping[str, str]
        By name in lower case.
    size : int
        Bytes of the file.
    """

    fields: Mapping[str, str]
    size: int

    @classmethod
    def read(cls, environ: Environ, body: bytes) -> Form:
        """Read a form; the request's own body stays untouched."""
        _, fields, files = parse_form_data({**environ, "wsgi.input": io.BytesIO(body)})
        file = files.get("file")
        size = len(file.stream.read()) if file else len(fields.get("file", "").encode())
        return cls({name.lower(): value for name, value in fields.items()}, size)

    def signed(self) -> Signed | None:
        """Return the signature of the policy; None if the form has none.

        Raises
        ------
        MalformedSignatureError
            If it cannot be read.
        """
        given = self.fields
        token = given.get("x-amz-security-token", "")
        if "x-amz-signature" in given:
            key, region, service, when = credential(
                given.get("x-amz-credential", ""), given.get("x-amz-date", "")
            )
            return Signed(key, region, service, when, (), given["x-amz-signature"], token)
        if "signature" in given:
            key, now = given.get("awsaccesskeyid", ""), datetime.now(UTC)
            return Signed(key, "", "s3", now, (), given["signature"], token, version=2)
        return None

    def check(self, bucket: str, now: datetime) -> None:
        """Return if the policy allows this upload.

        Raises
        ------
        PolicyError
            If it does not.
        """
        try:
            policy = json.loads(base64.b64decode(self.fields["policy"]))
            ends = datetime.fromisoformat(policy["expiration"].replace("Z", "+00:00"))
            conditions = [_condition(item) for item in policy["conditions"]]
        except (KeyError, ValueError, TypeError, AttributeError, binascii.Error):
            raise PolicyError("Invalid Policy: Invalid JSON.") from None
        if ends <= now:
            raise PolicyError("Invalid according to Policy: Policy expired.")
        given = {**self.fields, "bucket": bucket}
        for kind, name, value in conditions:
            if not self._holds(kind, value, given.get(name, "")):
                raise PolicyError(
                    f'Invalid according to Policy: Policy Condition failed: ["{kind}", '
                    f'"${name}", "{value}"]'
                )
        named = {name for _, name, _ in conditions}
        extra = [name for name in given if name not in named and not _is_free(name)]
        if extra:
            raise PolicyError(f"Invalid according to Policy: Extra input fields: {extra[0]}")

    def _holds(self, kind: str, value: Any, given: str) -> bool:
        if kind == "content-length-range":
            return int(value[0]) <= self.size <= int(value[1])
        return given.startswith(str(value)) if kind == "starts-with" else given == str(value)


def _condition(given: Any) -> tuple[str, str, Any]:
    """Return kind, field and value: ``{"acl": "private"}`` or ``["eq", "$acl", "private"]``."""
    if isinstance(given, dict):
        ((name, value),) = given.items()
        return "eq", str(name).lower(), value
    kind, name, value = given
    if kind == "content-length-range":
        return kind, "", (int(name), int(value))
    if kind not in ("eq", "starts-with"):
        raise ValueError(kind)
    return kind, str(name).removeprefix("$").lower(), value


def _is_free(name: str) -> bool:
    return name in _FREE or name == "bucket" or name.startswith("x-ignore-")
