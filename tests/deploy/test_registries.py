"""The clouds' registries of models: cut short at any call, changed by hand, shared with others."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.deploy import bundles
from tests.ordeal import arena
from tests.ordeal.points import READS, Point
from tridock.deploy.azure.account import Account as Azure
from tridock.deploy.azure.bundles import Bundles
from tridock.deploy.azure.models import AzureModels
from tridock.deploy.azure.target import AzureTarget
from tridock.deploy.gcp.models import GoogleModels, model_id
from tridock.deploy.gcp.registry import Registry
from tridock.deploy.gcp.target import VertexTarget
from tridock.deploy.target.errors import (
    ConfigError,
    ConflictError,
    NotFoundError,
    TargetError,
    UnavailableError,
)
from tridock.deploy.target.model_registry import Approval, Models
from tridock.deploy.target.records import Release, deployment_name
from tridock.deploy.waiting.retry import Policy, retrying
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.bundle.manifest import MANIFEST

on_google = pytest.mark.parametrize("place", ["gcp"], indirect=True)
on_azure = pytest.mark.parametrize("place", ["azure"], indirect=True)


@dataclass(frozen=True)
class Place:
    """An emulated cloud, and bundles to register there."""

    arena: arena.Arena
    folder: Path

    @property
    def models(self) -> Models:
        return self.arena.target.models

    def bundle(self, name: str, version: str = "1.0.0", commit: str = "abc") -> Bundle:
        """Return a bundle that has the files of all others, and its own name."""
        standing = self.folder / "standing"
        if not standing.exists():
            bundles.measured(standing, "standing", "1")
        at = self.folder / name / f"{version}-{commit}"
        if not at.exists():
            shutil.copytree(standing, at)
            manifest = Bundle.read(standing).manifest
            own = replace(manifest, name=name, version=version, commit=commit)
            (at / MANIFEST).write_text(own.to_json())
        return Bundle.read(at)


@pytest.fixture(scope="module", params=["gcp", "azure"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp(request.param)
    with arena.opened(request.param, folder, {}) as opened:
        yield Place(opened, folder / "bundles")
        account = getattr(opened.target, "account", None)
        if isinstance(account, Azure):
            account.close()


@pytest.fixture
def google(place: Place) -> GoogleModels:
    assert isinstance(place.models, GoogleModels)
    return place.models


@pytest.fixture
def azure(place: Place) -> AzureModels:
    assert isinstance(place.models, AzureModels)
    return place.models


def changes(place: Place) -> list[Point]:
    """Return the calls since the plan that changed something."""
    calls = place.arena.calls()
    counted = [Point(name, calls[:at].count(name)) for at, name in enumerate(calls, 1)]
    return [
        point
        for point in counted
        if not point.operation.startswith(READS) and not point.operation.endswith((".get", ".list"))
    ]


def test_a_registration_may_be_cut_short_after_any_change(place: Place) -> None:
    place.models.register(place.bundle("first"))
    place.arena.plan()
    place.models.register(place.bundle("whole"))
    points = changes(place)
    assert len(points) == 3  # the model, the manifest, the entry
    for number, point in enumerate(points):
        bundle = place.bundle(f"cut-{number}")
        place.arena.plan("drop-after", point)
        with pytest.raises(UnavailableError):
            place.models.register(bundle)
        assert place.arena.met()
        registered = place.models.register(bundle)
        assert list(place.models.versions(bundle.name)) == [registered]
        place.models.fetch(registered, place.folder / "fetched" / bundle.name)
        assert Bundle.read(place.folder / "fetched" / bundle.name).digest == bundle.digest


def test_a_decision_and_an_alias_may_be_cut_short_after_any_change(place: Place) -> None:
    for version in ("1.0.0", "2.0.0"):
        place.models.register(place.bundle("moved", version))
    for number in (0, 1):
        place.models.alias("moved", "champion", "1.0.0")
        place.models.approve("moved", "2.0.0", Approval.REJECTED, "no")
        place.arena.plan()
        place.models.alias("moved", "champion", "2.0.0")
        place.models.approve("moved", "2.0.0", Approval.REJECTED, "no")
        place.models.alias("moved", "champion", "1.0.0")
        place.arena.plan("drop-after", changes(place)[number])
        models = retrying(place.arena.target, Policy(first=0.01)).models
        models.alias("moved", "champion", "2.0.0")
        models.approve("moved", "2.0.0", Approval.APPROVED, "Ann: yes")
        assert place.arena.met()
        second, first = place.models.versions("moved")
        assert (second.aliases, first.aliases) == (("champion",), ())
        assert (second.approval, second.reason) == (Approval.APPROVED, "Ann: yes")
        assert first.approval is Approval.PENDING


def test_registering_again_stores_what_was_lost(place: Place) -> None:
    bundle = place.bundle("lost")
    found = place.models.register(bundle)
    wipe(place.models)
    with pytest.raises(NotFoundError):
        place.models.fetch(found, place.folder / "never")
    assert not (place.folder / "never").exists()
    assert place.models.register(bundle) == found
    place.models.fetch(found, place.folder / "again")
    assert Bundle.read(place.folder / "again").digest == bundle.digest


def wipe(models: Models) -> None:
    """Remove the stored bundles of all registered models."""
    if isinstance(models, AzureModels):
        Bundles(models.account).remove("tridock/registered")
    if isinstance(models, GoogleModels):
        store = models.store
        for blob in store.client.list_blobs(store.bucket, prefix="registered/"):
            blob.delete()


def test_what_a_release_of_the_same_name_makes_and_purges_is_something_else(place: Place) -> None:
    bundle = place.bundle("twin")
    before = place.models.register(bundle)
    target = place.arena.target
    name = deployment_name(bundle.version, bundle.digest)
    release = Release("twin", name, target.upload(bundle), place.arena.settings["image"])
    release = replace(release, bundle="twin", version=bundle.version, digest=bundle.digest)
    if isinstance(target, VertexTarget):
        target.store.mark(release.digest, f"twin--{name}")
        made = Registry(target.account).upload(release)
        assert made.name.endswith("/models/twin")
    if isinstance(target, AzureTarget):
        target.store.mark(release.artifact, "twin")
        assert release.artifact.startswith("azureml:tridock-twin:")
    assert place.models.versions("twin") == (before,)
    target.purge("twin")
    assert place.models.versions("twin") == (before,)
    place.models.fetch(before, place.folder / "twin-fetched")


def test_models_are_named_in_order_and_others_are_not_ours(place: Place) -> None:
    for name in ("b-model", "a-model"):
        place.models.register(place.bundle(name))
    names = place.models.names()
    assert list(names) == sorted(names)
    assert {"a-model", "b-model"} <= set(names)
    assert not [name for name in names if "registered" in name or "tridock" in name]


@on_google
def test_a_version_entered_twice_in_vertex_is_one_and_the_second_goes(
    google: GoogleModels, place: Place
) -> None:
    bundle = place.bundle("doubled")
    found = google.register(bundle)
    enter = {"parent": google.account.parent, "parent_model": google._name("doubled")}
    told = google._listed("doubled")[0]
    model = {
        "display_name": "doubled",
        "artifact_uri": told.artifact_uri,
        "version_description": told.version_description,
        "container_spec": {"image_uri": google.image},
    }
    google.account.models.upload_model(request={**enter, "model": model}).result(timeout=600)
    assert google.versions("doubled") == (found,)
    assert google.register(bundle) == found
    assert len(google._listed("doubled")) == 1


@on_google
def test_a_description_that_somebody_overwrote_is_read_from_the_bundle(
    google: GoogleModels, place: Place
) -> None:
    bundle = place.bundle("described")
    found = google.register(bundle)
    google.approve("described", "1.0.0", Approval.APPROVED, "Ann: good")
    changed = {"name": google._name("described", found.number), "version_description": "mine"}
    google.account.models.update_model(
        model=changed, update_mask={"paths": ["version_description"]}
    )
    (now,) = google.versions("described")
    assert now == replace(found, approval=Approval.APPROVED)
    google.approve("described", "1.0.0", Approval.REJECTED, "Ben: no")
    assert google.versions("described")[0].reason == "Ben: no"


@on_google
def test_vertex_keeps_its_own_alias(google: GoogleModels, place: Place) -> None:
    google.register(place.bundle("defaulted"))
    assert google.versions("defaulted")[0].aliases == ()
    with pytest.raises(ConfigError, match="default"):
        google.alias("defaulted", "default", "1.0.0")


@on_google
def test_long_names_are_told_apart_in_vertex(google: GoogleModels, place: Place) -> None:
    first, second = ("x" * 60 + end for end in "ab")
    assert len({model_id(first), model_id(second)}) == 2
    assert max(len(model_id(name)) for name in (first, second)) == 63
    google.register(place.bundle(first))
    assert first in google.names()
    assert google.versions(second) == ()


@on_azure
def test_azure_s_numbers_that_others_took_are_passed_over(azure: AzureModels, place: Place) -> None:
    account = azure.account
    body = {"properties": {"modelUri": azure._address("elsewhere"), "modelType": "custom_model"}}
    path = "/models/registered_crowded/versions"
    for number in range(1, 103):
        account.call("PUT", f"{path}/{number}", body)
    archived = {"properties": {**body["properties"], "isArchived": True}}
    account.call("PUT", f"{path}/102", archived)
    assert azure.versions("crowded") == ()
    assert "crowded" not in azure.names()
    assert azure.register(place.bundle("crowded")).number == "103"


@on_azure
def test_a_version_that_is_archived_in_azure_still_stands(azure: AzureModels, place: Place) -> None:
    found = azure.register(place.bundle("archived"))
    azure.account.client.models.archive("registered_archived", version=found.number)
    assert azure.versions("archived") == (found,)
    with pytest.raises(ConflictError):
        azure.register(place.bundle("archived", commit="other"))


@on_azure
def test_aliases_of_azure_leave_the_container_s_other_tags(
    azure: AzureModels, place: Place
) -> None:
    azure.register(place.bundle("tagged"))
    path = "/models/registered_tagged"
    own = {"properties": {"tags": {"team": "a"}, "description": "ours"}}
    azure.account.call("PUT", path, own)
    azure.alias("tagged", "champion", "1.0.0")
    told = azure.account.call("GET", path)["properties"]
    assert told["tags"] == {"team": "a", "alias.champion": "1"}
    assert told["description"] == "ours"


@on_azure
def test_azure_s_next_page_is_asked_of_azure_only(azure: AzureModels, place: Place) -> None:
    assert place.models == azure
    with pytest.raises(TargetError, match="evil"):
        azure.account.follow("https://evil.example/models")
