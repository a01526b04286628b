"""Who uses the bundles of a bucket: versions of endpoints' Models, and revisions of services."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tridock.deploy.gcp import names
from tridock.deploy.gcp.account import TIMEOUT_SECONDS, Account
from tridock.deploy.gcp.errors import translated
from tridock.deploy.gcp.registry import Registry
from tridock.deploy.gcp.revisions import Look
from tridock.deploy.target.errors import PermissionDeniedError


def versions(account: Account) -> Iterator[tuple[str, Any]]:
    """Yield the users of bundles in Vertex AI, ``<endpoint>--<deployment>``, and their versions."""
    with translated("aiplatform:ListModels"):
        models = list(
            account.models.list_models(parent=account.parent, retry=None, timeout=TIMEOUT_SECONDS)
        )
    for model in models:
        endpoint = model.name.rpartition("/")[2].partition("@")[0]
        if model.labels.get(names.ENDPOINT) == endpoint:
            for version in Registry(account).versions(endpoint):
                yield f"{endpoint}--{version.labels.get(names.DEPLOYMENT, '')}", version


def of_versions(account: Account) -> set[str]:
    """Return the users of bundles in Vertex AI."""
    return {user for user, _ in versions(account)}


def of_revisions(account: Account) -> set[str]:
    """Return the users of bundles in Cloud Run; none in a project that does not use it."""
    try:
        found = [each.name.rpartition("/")[2] for each in services(account)]
    except PermissionDeniedError as error:
        if "disabled" in str(error):  # "… has not been used in project … or it is disabled"
            return set()
        raise
    looks = (Look.of(account, name) for name in found)
    return {f"{look.name}--{deployment}" for look in looks for deployment in look.revisions}


def services(account: Account) -> list[Any]:
    """Return the Cloud Run services that carry our label."""
    with translated("run:ListServices"):
        found = account.services.list_services(
            parent=account.parent, retry=None, timeout=TIMEOUT_SECONDS
        )
        return [each for each in found if names.ENDPOINT in each.labels]
