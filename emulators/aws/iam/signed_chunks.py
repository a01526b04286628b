"""Payloads that are signed chunk by chunk.

Source: Amazon S3 API Reference, "Signature calculations for the authorization header:
transferring a payload in multiple chunks" and "… including trailing headers".
"""

from __future__ import annotations

import hashlib
import hmac
import io

from tridock.emulators.aws.iam.signature import STAMP, Signed, sign

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

_EMPTY = hashlib.sha256(b"").hexdigest()
_LAST = b"x-amz-trailer-signature"


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
