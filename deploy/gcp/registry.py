"""The model registry: one Model for each endpoint, one version of it for each deployment.

The version's alias is the deployment's name, so that a release that was cut short finds it again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tridock.deploy.gcp import names
from tridock.deploy.gcp.account import TIMEOUT_SECONDS, Account
from tridock.deploy.gcp.errors import translated
from tridock.deploy.target.errors import NotFoundError
from tridock.deploy.target.records import Release

#: Vertex AI copies image and artifact when a version is uploaded, which takes a minute or two.
UPLOAD_SECONDS = 900.0
#: Routes of the model server (`inference`): readiness, and the one that takes every envelope.
HEALTH, PREDICT, PORT = "/readyz", "/predict", 8080
#: Aliases that follow the traffic.
LEADER, RUNNER_UP = ("default", "blue"), ("green",)


@dataclass(frozen=True)
class Registered:
    """A version that was just registered, by what Vertex AI calls it."""

    name: str
    version_id: str


@dataclass(frozen=True)
class Registry:
    """The models of one account.

    Attributes
    ----------
    account : Account
        The clients.
    """

    account: Account

    def name(self, endpoint: str) -> str:
        """Return the name of an endpoint's Model."""
        return f"{self.account.parent}/models/{endpoint}"

    def find(self, endpoint: str, version: str) -> Any:
        """Return a version by number or alias; None if there is none."""
        with suppress(NotFoundError), translated("aiplatform:GetModel"):
            return self.account.models.get_model(
                name=f"{self.name(endpoint)}@{version}", retry=None, timeout=TIMEOUT_SECONDS
            )
        return None

    def upload(self, release: Release) -> Any:
        """Register a release's version and return it; an existing one is the same."""
        registered = self.find(release.endpoint, release.name)
        if registered is not None and not self.differences(registered, release):
            return registered
        if registered is not None:
            self.delete(release.endpoint, [registered])
        request: dict[str, Any] = {"parent": self.account.parent, "model": _model(release)}
        if self.find(release.endpoint, "default"):
            request["parent_model"] = self.name(release.endpoint)
        else:
            request["model_id"] = release.endpoint
        with translated("aiplatform:UploadModel"):
            begun = self.account.models.upload_model(
                request=request, retry=None, timeout=TIMEOUT_SECONDS
            )
            response = begun.result(timeout=UPLOAD_SECONDS)
        # What was just made may not be shown yet.
        return Registered(response.model, response.model_version_id)

    @staticmethod
    def differences(version: Any, release: Release) -> list[str]:
        """Say in what a version is not what a release asks for."""
        runs = {
            "artifact": (version.artifact_uri, release.artifact),
            "image": (version.container_spec.image_uri, release.image),
            "digest": (names.digest(version.labels), release.digest),
        }
        return [
            f"{key} {value}, not {ours}" for key, (value, ours) in runs.items() if value != ours
        ]

    def versions(self, endpoint: str) -> list[Any]:
        """Return all versions of an endpoint's Model."""
        with suppress(NotFoundError), translated("aiplatform:ListModelVersions"):
            return list(
                self.account.models.list_model_versions(
                    name=self.name(endpoint), retry=None, timeout=TIMEOUT_SECONDS
                )
            )
        return []

    def follow(self, endpoint: str, ranked: list[str]) -> None:
        """Move ``default`` and ``blue`` to the first deployment, and ``green`` to the next.

        Parameters
        ----------
        ranked : list of str
            Deployments, most traffic first.
        """
        for name, aliases in zip(ranked, (LEADER, RUNNER_UP), strict=False):
            version = self.find(endpoint, name)
            if version is not None and not set(aliases) <= set(version.version_aliases):
                with translated("aiplatform:MergeVersionAliases"):
                    self.account.models.merge_version_aliases(
                        name=f"{self.name(endpoint)}@{version.version_id}",
                        version_aliases=list(aliases),
                        retry=None,
                        timeout=TIMEOUT_SECONDS,
                    )

    def delete(self, endpoint: str, versions: Collection[Any]) -> None:
        """Delete versions; the last one goes with its Model, and `default` moves out of the way."""
        gone = {version.version_id for version in versions}
        kept = [each for each in self.versions(endpoint) if each.version_id not in gone]
        models = self.account.models
        if not kept:
            with suppress(NotFoundError), translated("aiplatform:DeleteModel"):
                models.delete_model(
                    name=self.name(endpoint), retry=None, timeout=TIMEOUT_SECONDS
                ).result(timeout=UPLOAD_SECONDS)
            return
        if not any("default" in each.version_aliases for each in kept):
            self.follow(endpoint, [_deployment(kept[0])])
        for number in sorted(gone):
            with suppress(NotFoundError), translated("aiplatform:DeleteModelVersion"):
                models.delete_model_version(
                    name=f"{self.name(endpoint)}@{number}", retry=None, timeout=TIMEOUT_SECONDS
                ).result(timeout=UPLOAD_SECONDS)

    def purge(self, endpoint: str, used: Collection[str]) -> None:
        """Delete the versions of deployments that are not in `used`."""
        stale = [version for version in self.versions(endpoint) if _deployment(version) not in used]
        if stale:
            self.delete(endpoint, stale)

    def users(self, endpoint: str) -> Iterator[str]:
        """Yield the deployments that have a version."""
        for version in self.versions(endpoint):
            yield _deployment(version)


def _deployment(version: Any) -> str:
    return str(version.labels.get(names.DEPLOYMENT, ""))


def _model(release: Release) -> dict[str, Any]:
    return {
        "display_name": release.endpoint,
        "artifact_uri": release.artifact,
        "labels": names.labels(release),
        "version_aliases": [release.name],
        # A label's value takes no dots and no capitals; this takes a version as it is.
        "version_description": release.version,
        "container_spec": {
            "image_uri": release.image,
            "health_route": HEALTH,
            "predict_route": PREDICT,
            "ports": [{"container_port": PORT}],
            "env": [{"name": name, "value": value} for name, value in release.variables.items()],
        },
    }
