"""Access keys: the account's own, those of its users, and those of sessions with their tokens."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.core.responses import ActionResult
from moto.iam import models
from moto.iam.models import AccessKey, iam_backends
from moto.sts.models import AssumedRole, sts_backends
from moto.sts.responses import TokenResponse

from tridock.emulators.access import secret
from tridock.emulators.aws.protocol.calls import ACCOUNT


@dataclass(frozen=True)
class Key:
    """A key that signs requests.

    Attributes
    ----------
    id, secret : str
        Access key id and secret access key.
    token : str
        Session token that comes with it; empty for keys without end.
    ends : datetime or None
        When the session ends.
    """

    id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    ends: datetime | None = None


def own_key(folder: Path) -> Key:
    """Return the key of a state folder's account; make it at the first call.

    The id follows from the secret: the key of another state folder is another one.
    """
    text = secret(folder, "access-key")
    digest = base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()
    return Key(f"AKIA{digest[:16]}", text)


def find_key(own: Key, name: str) -> Key | None:
    """Return the key with an id, None if nothing issued it or it is inactive."""
    if name == own.id:
        return own
    for session in _sessions():
        if session.access_key_id == name:
            ends = session.expiration.replace(tzinfo=UTC)
            return Key(name, session.secret_access_key, session.session_token, ends)
    for key in _user_keys():
        if key.access_key_id == name and key.status == "Active":
            return Key(name, key.secret_access_key)
    return None


def account_of(access_key: str) -> str:
    """Return the account that a key belongs to, the clients' own for a key that nothing issued."""
    for account, partitions in list(iam_backends.items()):
        for backend in list(partitions.values()):
            if access_key in backend.access_keys:
                return str(account)
    return ACCOUNT


class Session(AssumedRole):
    """A session of the caller itself or of a federated user, which has no role."""

    def __init__(self, arn: str, access_key: AccessKey, *, duration: int, region: str) -> None:
        account, name = arn.split(":")[4], arn.rpartition("/")[2]
        super().__init__(account, region, access_key, name, arn, "", duration, "")

    @property
    def arn(self) -> str:
        """The identity that the session acts as."""
        return str(self.role_arn)

    @property
    def user_id(self) -> str:
        """Account and name, as STS has it for a federated user."""
        return f"{self.account_id}:{self.session_name}"


def install(cloud: object) -> None:
    """Let STS give keys of its own for GetSessionToken and GetFederationToken: moto's are fixed."""
    del cloud
    # moto makes IAM anew for each of six partitions to look there: seconds at the first call.
    models.get_account_id_from = account_of
    for name in ("get_session_token", "get_federation_token"):
        setattr(TokenResponse, name, _with_keys(getattr(TokenResponse, name)))


def _with_keys(answer: Any) -> Any:
    def get_token(self: Any) -> ActionResult:
        made: ActionResult = answer(self)
        given: Any = made.result
        backend = iam_backends[self.current_account][self.partition]
        arn = (
            given.get("FederatedUser", {}).get("Arn")
            or self.backend.get_caller_identity(self.get_access_key(), self.region)[1]
        )
        duration = self._get_int_param("DurationSeconds", 43200)
        key = backend.create_temp_access_key()
        session = Session(arn, key, duration=duration, region=self.region)
        self.backend.assumed_roles.append(session)
        return ActionResult({**given, "Credentials": session})

    return get_token


def _sessions() -> Iterator[AssumedRole]:
    for partitions in list(sts_backends.values()):
        for backend in list(partitions.values()):
            yield from list(backend.assumed_roles)


def _user_keys() -> Iterator[AccessKey]:
    for partitions in list(iam_backends.values()):
        for backend in list(partitions.values()):
            for user in list(backend.users.values()):
                yield from list(user.access_keys)
