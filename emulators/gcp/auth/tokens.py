"""Tokens of the emulated project: issued here, and accepted only as they were issued."""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tridock.emulators.access import secret
from tridock.emulators.gcp.auth import jwt
from tridock.emulators.gcp.protocol.names import PROJECT
from tridock.emulators.place import write_whole

ACCOUNT = f"tridock@{PROJECT}.iam.gserviceaccount.com"
CLIENT_ID = "100000000000000000000"
TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105
ISSUER = "https://accounts.google.com"
TOKEN_SECONDS = 3599
#: A container keeps the token it was started with for as long as it runs.
CONTAINER_SECONDS = 10 * 365 * 24 * 3600
_PREFIX = "ya29."


@dataclass(frozen=True)
class Caller:
    """Sender of a request, by its access token.

    Attributes
    ----------
    account : str
        E-mail address of a service account.
    scopes : tuple of str
        What the token is for.
    expires : float
        Until when, in seconds since 1970.
    """

    account: str
    scopes: tuple[str, ...]
    expires: float


class TokenError(ValueError):
    """A token is not accepted; the message is the reason of a ``google.rpc.ErrorInfo``."""


@dataclass(frozen=True)
class Tokens:
    """Issues and verifies tokens of one state folder, by keys that only its owner can read.

    Access tokens carry who they are for, signed: they last over restarts, and none is stored.

    Attributes
    ----------
    folder : Path
        Has the keys.
    accepts_any : bool
        Whether clients may bring tokens that were not issued here.
    now : callable
        Real seconds since 1970.
    """

    folder: Path
    accepts_any: bool = False
    now: Callable[[], float] = time.time
    _keys: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def file(self) -> Path:
        """The service-account file of the clients."""
        return self.folder / "client" / "service-account.json"

    @property
    def secret(self) -> str:
        """The emulator's own secret."""
        return secret(self.folder)

    def make(self) -> None:
        """Make what is not there: the service-account file, and the keys of the issuer."""
        if not self.file.exists():
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(self.file, json.dumps(_account(), indent=2).encode())
        if not self._issuer.exists():
            write_whole(self._issuer, _pem(rsa.generate_private_key(65537, 2048)).encode())
        record = json.loads(self.file.read_text())
        self._keys["account"] = _key(record["private_key"])
        self._keys["issuer"] = _key(self._issuer.read_text())
        self._keys["mac"] = secret(self.folder, "tokens").encode()

    def access(self, account: str, scopes: tuple[str, ...], seconds: float = TOKEN_SECONDS) -> str:
        """Return a new access token."""
        expires = int(self.now() + seconds)
        claims = {"a": account, "s": scopes, "e": expires, "n": secrets.token_hex(8)}
        body = jwt.encode(json.dumps(claims).encode())
        return f"{_PREFIX}{body}.{self._mac(body)}"

    def caller(self, token: str) -> Caller:
        """Return whose access token this is.

        Raises
        ------
        TokenError
            If it was not issued here, or has expired.
        """
        body, _, mac = token.removeprefix(_PREFIX).partition(".")
        given, wanted = mac.encode(errors="replace"), self._mac(body).encode()
        if not token.startswith(_PREFIX) or not hmac.compare_digest(given, wanted):
            raise TokenError("ACCESS_TOKEN_TYPE_UNSUPPORTED")
        claims = json.loads(jwt.decode(body))
        caller = Caller(claims["a"], tuple(claims["s"]), claims["e"])
        if caller.expires <= self.now():
            raise TokenError("ACCESS_TOKEN_EXPIRED")
        return caller

    def is_of_account(self, token: str) -> bool:
        """Return whether the service account's key has signed a JSON web token."""
        return jwt.is_signed(token, self._keys["account"].public_key())

    def identity(self, audience: str, account: str = ACCOUNT) -> str:
        """Return an identity token for a service at `audience`."""
        claims = {
            "aud": audience,
            "azp": account,
            "email": account,
            "email_verified": True,
            "exp": int(self.now()) + TOKEN_SECONDS + 1,
            "iat": int(self.now()),
            "iss": ISSUER,
            "sub": CLIENT_ID,
        }
        return jwt.signed(claims, self._keys["issuer"], self.issuer_id)

    def identified(self, token: str) -> dict[str, Any] | None:
        """Return the claims of an identity token that was issued here and has not expired."""
        try:
            claims = jwt.claims(token)
        except jwt.JwtError:
            return None
        if not jwt.is_signed(token, self._keys["issuer"].public_key()):
            return None
        return claims if claims.get("exp", 0) > self.now() else None

    @property
    def issuer_id(self) -> str:
        """The id of the key that signs identity tokens."""
        return sha256(self._numbers[1]).hexdigest()[:40]

    def certificates(self) -> dict[str, Any]:
        """Return the public key of the issuer as a JSON web key set (RFC 7517)."""
        exponent, modulus = (jwt.encode(number) for number in self._numbers)
        key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.issuer_id}
        return {"keys": [key | {"n": modulus, "e": exponent}]}

    @property
    def _issuer(self) -> Path:
        return self.folder / "issuer.pem"

    @property
    def _numbers(self) -> tuple[bytes, bytes]:
        numbers = self._keys["issuer"].public_key().public_numbers()
        return b"\1\0\1", numbers.n.to_bytes(256, "big")

    def _mac(self, body: str) -> str:
        return hmac.new(self._keys["mac"], body.encode(), sha256).hexdigest()


def _account() -> dict[str, str]:
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": secrets.token_hex(20),
        "private_key": _pem(rsa.generate_private_key(65537, 2048)),
        "client_email": ACCOUNT,
        "client_id": CLIENT_ID,
        "token_uri": TOKEN_URI,
    }


def _pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _key(pem: str) -> rsa.RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the key of the state folder is no RSA key: delete its files")
    return key
