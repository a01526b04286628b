"""Common parts of Vertex AI and Cloud Run as targets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from typing_extensions import override

from tridock.deploy.gcp.account import Account
from tridock.deploy.gcp.models import GoogleModels
from tridock.deploy.gcp.observability import last
from tridock.deploy.gcp.store import ObjectNotes, Store
from tridock.deploy.target.errors import UnsupportedError
from tridock.deploy.target.metrics import Answer
from tridock.deploy.target.protocol import Target
from tridock.inference.bundle.bundle import Bundle


@dataclass(frozen=True)
class GoogleTarget(Target):
    """One project and location, with the bucket for bundles.

    Attributes
    ----------
    account : Account
        The clients.
    store : Store
        The bucket's bundles.
    image : str
        Of the containers that registered models name.
    """

    account: Account
    store: Store
    image: str = ""
    name: ClassVar[str] = "gcp"

    @classmethod
    def connect(cls, settings: Mapping[str, str]) -> Self:
        """Return the target of `settings` by application default credentials."""
        account = Account.open(settings)
        store = Store(account.storage, settings["bucket"], account.location)
        return cls(account, store, settings["image"])

    @property
    @override
    def notes(self) -> ObjectNotes:
        return ObjectNotes(self.account.storage, self.store.bucket)

    @property
    @override
    def models(self) -> GoogleModels:
        """Vertex AI's registry."""
        return GoogleModels(self.account, self.store, self.image)

    @override
    def caller(self) -> str:
        return self.account.caller()

    @override
    def upload(self, bundle: Bundle) -> str:
        return self.store.upload(bundle)

    @override
    def shadow(self, endpoint: str, deployment: str, percent: int) -> None:
        """And `limits`."""
        raise UnsupportedError(f"no copies of requests for {endpoint}: {self.limits['shadow']}")

    @override
    def answers(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Answer]:
        """And `limits`."""
        return ()

    @override
    def logs(self, endpoint: str, deployment: str, *, lines: int = 20) -> Sequence[str]:
        return last(self.account, self._lines(endpoint, deployment), lines=lines)

    @abstractmethod
    def _lines(self, endpoint: str, deployment: str) -> Mapping[str, str]:
        """Return the fields of a deployment's entries in the log."""
