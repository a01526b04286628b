"""JSON web tokens, signed by RS256 (RFC 7515, RFC 7519)."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256


class JwtError(ValueError):
    """A text is no JSON web token, or not one of this key."""


def encode(data: bytes) -> str:
    """Return base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: str) -> bytes:
    """Return what `encode` encoded.

    Raises
    ------
    JwtError
        If it is not base64url.
    """
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise JwtError(str(error)) from error


def signed(claims: dict[str, Any], key: RSAPrivateKey, kid: str) -> str:
    """Return a token with these claims."""
    header = {"alg": "RS256", "typ": "JWT", "kid": kid}
    text = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    return f"{text}.{encode(key.sign(text.encode(), PKCS1v15(), SHA256()))}"


def claims(token: str) -> dict[str, Any]:
    """Return a token's claims, without a check of its signature.

    Raises
    ------
    JwtError
        If it is none.
    """
    parts = token.split(".")
    if len(parts) != 3:
        raise JwtError("a token has three parts")
    try:
        header, content = (json.loads(decode(part)) for part in parts[:2])
    except ValueError as error:
        raise JwtError(str(error)) from error
    if (
        not isinstance(content, dict)
        or not isinstance(header, dict)
        or header.get("alg") != "RS256"
    ):
        raise JwtError("only RS256 is accepted")
    return content


def is_signed(token: str, key: RSAPublicKey) -> bool:
    """Return whether a token has the signature of `key`."""
    text, _, signature = token.rpartition(".")
    try:
        key.verify(decode(signature), text.encode(), PKCS1v15(), SHA256())
    except (InvalidSignature, JwtError):
        return False
    return True
