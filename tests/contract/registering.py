"""What every registry of models must do; `tests.contract.test_target` runs it on each target.

In a real account, each run leaves a model of its own called ``contract-…``: a registry has no
verb that forgets.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.deploy import bundles
from tridock.deploy.rollout import endpoint_changes
from tridock.deploy.target.errors import ConflictError, NotFoundError, UnsupportedError
from tridock.deploy.target.model_registry import Approval, Models, ModelVersion
from tridock.deploy.target.protocol import Target
from tridock.deploy.waiting.wait import Deadline
from tridock.inference.bundle.bundle import Bundle


@dataclass(frozen=True)
class Shelf:
    """A registry with two versions of a model: the first approved, the second newer."""

    models: Models
    first: Bundle
    second: Bundle

    @property
    def name(self) -> str:
        return self.first.name

    def at(self, bundle: Bundle) -> ModelVersion:
        return {one.version: one for one in self.models.versions(self.name)}[bundle.version]


@pytest.fixture(scope="module")
def shelf(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Each test leaves the versions as they are, but for approval and aliases."""
    if "models" in target.limits:
        with pytest.raises(UnsupportedError):
            _ = target.models
        pytest.skip(target.limits["models"])
    folder, name = tmp_path_factory.mktemp("shelf"), f"contract-{uuid.uuid4().hex[:8]}"
    first = bundles.measured(folder / "1", name, "1.0.0", accuracy=0.9)
    second = bundles.measured(folder / "2", name, "1.1.0-rc.1+7", accuracy=0.96)
    models = target.models
    assert models.versions(name) == ()
    for bundle in (first, first, second):
        assert models.register(bundle).digest == bundle.digest
    return Shelf(models, first, second)


def test_versions_are_listed_newest_first_with_what_their_bundles_say(shelf: Shelf) -> None:
    assert shelf.name in shelf.models.names()
    new, old = shelf.models.versions(shelf.name)
    for one, bundle in ((old, shelf.first), (new, shelf.second)):
        assert (one.model, one.version, one.digest) == (bundle.name, bundle.version, bundle.digest)
        assert one.metrics == pytest.approx(bundle.manifest.metrics)
        assert one.data == "ab" * 32
        assert one.source == bundle.manifest.commit
        assert one.number
        assert one.artifact
        assert one.created
        assert one.created.tzinfo
    assert new.created
    assert old.created
    assert old.created <= new.created
    assert new.number != old.number


def test_the_same_bundle_again_is_the_version_that_stands(shelf: Shelf) -> None:
    shelf.models.approve(shelf.name, "1.0.0", Approval.APPROVED, "Ann, today: good")
    before = shelf.at(shelf.first)
    assert shelf.models.register(shelf.first) == before
    assert len(shelf.models.versions(shelf.name)) == 2


def test_a_version_is_never_another_bundle(shelf: Shelf, tmp_path: Path) -> None:
    before = shelf.models.versions(shelf.name)
    other = bundles.measured(tmp_path / "other", shelf.name, "1.0.0", accuracy=0.5)
    with pytest.raises(ConflictError):
        shelf.models.register(other)
    assert shelf.models.versions(shelf.name) == before


def test_a_version_is_pending_until_somebody_decides_and_may_be_decided_again(
    shelf: Shelf,
) -> None:
    standing = shelf.at(shelf.first)
    pending = shelf.at(shelf.second)
    assert (pending.approval, pending.reason) == (Approval.PENDING, "")
    long = f'Ann <ann@example.org>, 2026-01-01T00:00:00+00:00: {"Ü" * 400}, "as agreed"'
    for approval, reason in ((Approval.REJECTED, "no"), (Approval.APPROVED, long)):
        for _ in range(2):
            shelf.models.approve(shelf.name, shelf.second.version, approval, reason)
            found = shelf.at(shelf.second)
            assert found == replace(pending, approval=approval, reason=reason)
    assert shelf.at(shelf.first) == standing


def test_an_alias_names_one_version_at_a_time(shelf: Shelf) -> None:
    for bundle in (shelf.first, shelf.second, shelf.second):
        shelf.models.alias(shelf.name, "champion", bundle.version)
        named = [one for one in shelf.models.versions(shelf.name) if "champion" in one.aliases]
        assert [one.version for one in named] == [bundle.version]
    shelf.models.alias(shelf.name, "candidate", shelf.second.version)
    assert shelf.at(shelf.second).aliases == ("candidate", "champion")
    assert shelf.at(shelf.first).aliases == ()


def test_nothing_is_said_of_a_version_that_is_not_there(shelf: Shelf) -> None:
    for model, version in ((shelf.name, "9"), ("contract-ghost", "1.0.0")):
        with pytest.raises(NotFoundError):
            shelf.models.approve(model, version, Approval.APPROVED, "Ann: why not")
        with pytest.raises(NotFoundError):
            shelf.models.alias(model, "champion", version)
    assert "contract-ghost" not in shelf.models.names()


def test_a_bundle_is_fetched_as_it_was_registered_whatever_was_released_and_purged(
    target: Target, shelf: Shelf, tmp_path: Path
) -> None:
    target.upload(shelf.first)
    endpoint_changes.remove(target, shelf.name, Deadline.after(600))
    found = shelf.at(shelf.first)
    shelf.models.fetch(found, tmp_path / "fetched")
    fetched = Bundle.read(tmp_path / "fetched")
    assert fetched.digest == shelf.first.digest
    assert fetched.manifest == shelf.first.manifest
