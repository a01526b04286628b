"""The secrets of one emulated Azure account, random for each state folder."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

from tridock.emulators.access import secret
from tridock.emulators.place import Place


@dataclass(frozen=True)
class Credentials:
    """Credentials of clients, and keys that the emulator signs with.

    Attributes
    ----------
    client_secret : str
        Of the application that ``env`` names.
    identity_header : str
        Opens the endpoint of managed identities.
    signing_key : bytes
        Signs Entra's tokens.
    account_key : str
        Of the storage account, in base64 as Azure shows it.
    token : str
        Opens the emulator's own controls.
    accepts_any : bool
        Whether clients may bring credentials that the emulator did not issue.
    """

    client_secret: str = field(repr=False)
    identity_header: str = field(repr=False)
    signing_key: bytes = field(repr=False)
    account_key: str = field(repr=False)
    token: str = field(repr=False)
    accepts_any: bool = False

    @classmethod
    def at(cls, place: Place) -> Credentials:
        """Read the secrets of a state folder, which must exist; make them at the first call."""
        key = hashlib.sha512(secret(place.folder, "account-key").encode()).digest()
        return cls(
            client_secret=secret(place.folder, "client-secret"),
            identity_header=secret(place.folder, "identity-header"),
            signing_key=secret(place.folder, "signing-key").encode(),
            account_key=base64.b64encode(key).decode(),
            token=secret(place.folder),
            accepts_any=place.any_credentials,
        )
