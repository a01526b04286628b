"""Common parts of Container Apps and Container Instances: the target, requests, sizes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import httpx
from typing_extensions import override

from tridock.deploy.azure.account import Account
from tridock.deploy.azure.blobs import StoredRemains
from tridock.deploy.azure.bundles import BlobNotes, Bundles
from tridock.deploy.azure.errors import translated
from tridock.deploy.azure.models import AzureModels
from tridock.deploy.target.errors import ConfigError, InvokeError, NotFoundError, UnsupportedError
from tridock.deploy.target.metrics import Answer
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import Orphan
from tridock.inference.bundle.bundle import Bundle

TIMEOUT = 240.0


@dataclass(frozen=True)
class ContainersTarget(Target):
    """Containers of one resource group, their bundles in the workspace's storage."""

    account: Account
    bundles: Bundles
    client: Any
    name: ClassVar[str] = "azure"

    @property
    @override
    def notes(self) -> BlobNotes:
        return BlobNotes(self.bundles)

    @property
    @override
    def models(self) -> AzureModels:
        """Azure ML's registry."""
        return AzureModels(self.account)

    @override
    def caller(self) -> str:
        return self.account.caller()

    @override
    def upload(self, bundle: Bundle) -> str:
        return self.bundles.upload(bundle)

    @override
    def shadow(self, endpoint: str, deployment: str, percent: int) -> None:
        """And `limits`."""
        raise UnsupportedError(f"no copies of requests for {endpoint}: {self.limits['shadow']}")

    @override
    def answers(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Answer]:
        """And `limits`."""
        return ()

    @override
    def orphans(self) -> Sequence[Orphan]:
        return tuple(StoredRemains(self.bundles).found())

    @override
    def discard(self, orphan: Orphan) -> None:
        StoredRemains(self.bundles).discard(orphan)

    def _find(self, endpoint: str) -> Any:
        with suppress(NotFoundError):
            return self._need(endpoint)
        return None

    @abstractmethod
    def _need(self, endpoint: str) -> Any:
        """Return what the service has of an endpoint; raise `NotFoundError` if it has nothing."""


# Requests to an address that asks for no key.


def ask(client: httpx.Client, url: str, body: bytes, *, operation: str) -> bytes:
    """Send one JSON request and return the answer.

    Raises
    ------
    InvokeError
        If the model server answered an error.
    """
    with translated(operation):
        answer = client.post(
            url, content=body, headers={"Content-Type": "application/json"}, timeout=TIMEOUT
        )
    if answer.is_error:
        raise InvokeError(
            f"the model answered {answer.status_code}: {answer.text}",
            operation=operation,
            status=answer.status_code,
        )
    return answer.content


# Machine sizes as CPUs and memory, for services that sell those.

#: CPUs of virtual machines ("Sizes for virtual machines in Azure").
CPUS = {
    "Standard_DS2_v2": 2.0,
    "Standard_DS3_v2": 4.0,
    "Standard_DS4_v2": 8.0,
    "Standard_E2s_v3": 2.0,
    "Standard_E4s_v3": 4.0,
    "Standard_F2s_v2": 2.0,
    "Standard_F4s_v2": 4.0,
    "Standard_F8s_v2": 8.0,
}
DEFAULT = 1.0

#: GiB of memory for each CPU.
MEMORY = 2.0

#: The most CPUs of one container in the Consumption plan, and in most regions of ACI.
MOST = 4.0


def cpus(instance: str) -> float:
    """Return the CPUs of a machine size, or of a plain number of them, at most `MOST`.

    Raises
    ------
    ConfigError
        If `instance` is neither.
    """
    try:
        found = CPUS[instance] if instance in CPUS else float(instance or DEFAULT)
    except ValueError:
        raise ConfigError(
            f"azure.instance is {instance!r}: for this service give a number of CPUs such as "
            f"0.5, or one of {', '.join(CPUS)}"
        ) from None
    return min(found, MOST)
