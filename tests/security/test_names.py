"""Names from outside never lead out of the state folder, and a bad record is named and left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.deploy import bundles
from tests.deploy.commandline import Door
from tests.deploy.memory import MemoryTarget
from tridock.deploy.local.models import FolderModels
from tridock.deploy.local.notes import FileNotes
from tridock.deploy.local.target import LocalTarget
from tridock.deploy.models.reference import fetch
from tridock.deploy.target import names
from tridock.deploy.target.errors import ConfigError, TargetError
from tridock.deploy.target.model_registry import Approval, ModelVersion
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import Release
from tridock.deploy.waiting.retry import retrying
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.bundle.manifest import MANIFEST, Manifest
from tridock.inference.errors import BundleError

BAD = ["../../x", "..", ".", "", "/tmp/x", "a/b", "a\\b", "x\0", "x\n", "-x", "a" * 64, "ä", "%2e"]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
VERBS: dict[str, Callable[[Target, str], object]] = {
    "deploy": lambda target, bad: target.deploy(Release(bad, "v1", "file:///x")),
    "deploy name": lambda target, bad: target.deploy(Release("iris", bad, "file:///x")),
    "describe": lambda target, bad: target.describe(bad),
    "set_traffic": lambda target, bad: target.set_traffic(bad, {"v1": 100}),
    "set_traffic name": lambda target, bad: target.set_traffic("iris", {bad: 100}),
    "shadow": lambda target, bad: target.shadow("iris", bad, 10),
    "invoke": lambda target, bad: target.invoke(bad, b"{}"),
    "logs": lambda target, bad: target.logs(bad, "v1"),
    "logs name": lambda target, bad: target.logs("iris", bad),
    "metrics": lambda target, bad: target.metrics("iris", bad, NOW),
    "answers": lambda target, bad: target.answers(bad, "v1", NOW),
    "undeploy": lambda target, bad: target.undeploy("iris", bad),
    "scale": lambda target, bad: target.scale(bad, "v1", None),
    "delete": lambda target, bad: target.delete(bad),
    "purge": lambda target, bad: target.purge(bad),
    "note": lambda target, bad: target.notes.read(f"{bad}/../x"),
    "note written": lambda target, bad: target.notes.write(f"/{bad}", b"x", over=None),
    "versions": lambda target, bad: target.models.versions(bad),
    "approve": lambda target, bad: target.models.approve(bad, "1", Approval.APPROVED, "why"),
    "alias": lambda target, bad: target.models.alias("iris", bad, "1"),
}


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("verb", VERBS)
def test_no_target_is_asked_for_a_name_that_leads_elsewhere(verb: str, tmp_path: Path) -> None:
    local, memory = LocalTarget(tmp_path / "a" / "b" / "state" / "local"), MemoryTarget()
    for bad in BAD:
        if verb == "invoke" and not bad:
            continue
        for target in (local, memory):
            with pytest.raises(ConfigError):
                VERBS[verb](retrying(target), bad)
    assert memory.calls == []
    assert tree(tmp_path) == set()


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("deploy", "shadow")])
def test_the_local_target_itself_lets_no_name_out_of_its_folder(verb: str, tmp_path: Path) -> None:
    """Whoever uses it without `retrying`: an error of ours, and nothing is made elsewhere."""
    folder = tmp_path / "a" / "b" / "state"
    secret = tmp_path / "a" / "b" / "x" / "v1" / "server.log"
    secret.parent.mkdir(parents=True)
    secret.write_text("secret")
    before = tree(tmp_path)
    for bad in ("../../x", "..", "/etc"):
        with suppress(ConfigError, TargetError):
            assert "secret" not in str(VERBS[verb](LocalTarget(folder / "local"), bad))
    assert {path for path in tree(tmp_path) - before if not path.startswith("a/b/state")} == set()
    assert secret.read_text() == "secret"


@pytest.mark.parametrize(
    "words",
    [
        ("status", "--endpoint", "../../x"),
        ("logs", "--deployment", "../../x"),
        ("traffic", "../../x=100"),
        ("promote", "--deployment", "../../x"),
        ("models show", "../../x"),
        ("models show", "iris:../../x"),
        ("models alias", "iris", "../../x"),
        ("models approve", "../../x", "--reason", "why"),
        ("release", "--model", "../../x"),
        ("delete", "--endpoint", ".."),
    ],
)
def test_a_command_with_such_a_name_ends_with_a_clear_word(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    said = Door("local", tmp_path / "a" / "b" / "state")(*words)
    assert said.code in (2, 4), said.err
    assert "Traceback" not in said.err
    outside = {path for path in tree(tmp_path) if not path.startswith("a/b/state")}
    assert outside <= {"a", "a/b"}


@pytest.mark.parametrize(
    ("key", "value"), [("name", "../../x"), ("name", 7), ("version", "../1"), ("version", None)]
)
def test_a_bundle_that_names_itself_elsewhere_is_refused(
    key: str, value: Any, tmp_path: Path
) -> None:
    good = bundles.good(tmp_path / "bundle", "1")
    told = json.loads((good.path / MANIFEST).read_text())
    made = Manifest.from_json((good.path / MANIFEST).read_text())
    object.__setattr__(made, key, value)  # the digest of the altered manifest fits
    assert made.to_json() != json.dumps(told)
    (good.path / MANIFEST).write_text(made.to_json())
    with pytest.raises(BundleError, match="manifest.json"):
        Bundle.read(good.path)


def test_a_registry_that_names_a_digest_elsewhere_is_refused(tmp_path: Path) -> None:
    models = FolderModels(tmp_path / "models")
    with pytest.raises(ConfigError, match="64 of 0-9 and a-f"):
        fetch(models, ModelVersion("iris", "1", "../../x"), tmp_path / "fetched")
    assert tree(tmp_path) == set()


def test_notes_and_models_refuse_names_that_lead_elsewhere(tmp_path: Path) -> None:
    notes, models = FileNotes(tmp_path / "notes"), FolderModels(tmp_path / "models")
    for bad in ("../x", "a/../../x", "/x", "", ".hidden", "a//b", "a/b/c/d/e/f/g"):
        with pytest.raises(ConfigError):
            notes.write(bad, b"x", over=None)
        with pytest.raises(ConfigError):
            models.versions(bad)
    assert not (tmp_path / "x").exists()
    assert notes.keys() == []


@pytest.mark.parametrize(
    "record", ["", "{", "[]", "null", '{"model": 1}', "\0", '{"model": "iris", "created": 5}']
)
def test_a_bad_record_is_named_and_left_out_and_the_others_are_served(
    record: str, tmp_path: Path
) -> None:
    door = Door("local", tmp_path)
    for version in ("1", "2"):
        bundle = bundles.good(tmp_path / "bundles" / version, version)
        assert door("models register", "--bundle", bundle.path).code == 0
    registry = tmp_path / "local" / "models" / "iris"
    bad = registry / "versions" / "1" / "version.json"
    bad.write_text(record)
    (registry / "aliases.json").write_text("{")
    (tmp_path / "local" / "notes" / "locks").mkdir(parents=True, exist_ok=True)
    (tmp_path / "local" / "notes" / "locks" / "iris.json").write_text(record)
    (tmp_path / "local" / "notes" / "locks" / "a b\n.json").write_text(record)
    said = door("models list", "--json")
    assert (said.code, [one["version"] for one in said.json()]) == (0, ["2"])
    assert str(bad) in said.err
    again = door("models alias", "iris", "champion")
    assert again.code == 4
    assert "aliases.json cannot be read" in again.err
    for words in (("status",), ("sweep", "--json"), ("rollback",), ("models list",)):
        told = door(*words)
        assert "Traceback" not in told.err
        assert told.code in (0, 4)


@pytest.mark.parametrize("name", ["iris", "v1-2-3-abcdef01", "A", "a_b", "a" * 63])
def test_ordinary_names_are_taken(name: str) -> None:
    assert names.check("endpoint", name) == name
