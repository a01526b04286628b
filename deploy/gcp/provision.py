"""In the emulated project, what Terraform makes in a real one: a bucket."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from tridock.deploy.gcp.account import Account
from tridock.deploy.gcp.errors import translated
from tridock.deploy.target.errors import ConfigError, ConflictError


def provision(settings: Mapping[str, str]) -> Mapping[str, str]:
    """Make the bucket where `settings` name none, and return them completed.

    Raises
    ------
    ConfigError
        If the clients do not lead to this machine: a real project is Terraform's.
    """
    host = urlsplit(os.environ.get("HTTPS_PROXY", "")).hostname
    if host not in ("127.0.0.1", "localhost", "::1") or "TRIDOCK_GCP_URL" not in os.environ:
        raise ConfigError(f"HTTPS_PROXY leads to {host}, which is no emulator on this machine")
    account = Account.open(settings)
    registry = f"{account.location}-docker.pkg.dev/{account.project}/tridock/tridock:latest"
    return {
        **settings,
        "project": account.project,
        "bucket": settings["bucket"] or _bucket(account, f"{account.project}-models"),
        "image": settings["image"] or registry,
    }


def _bucket(account: Account, name: str) -> str:
    with suppress(ConflictError), translated("storage:CreateBucket"):
        account.storage.create_bucket(name, location=account.location, retry=None)
    return name
