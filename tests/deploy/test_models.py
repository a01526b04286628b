"""The registry from the command line: by whom what is released, and what a live account takes."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.deploy import bundles
from tests.deploy.commandline import Door
from tests.deploy.memory import MemoryTarget
from tests.deploy.staging import name_of
from tridock.deploy.__main__ import main
from tridock.deploy.aws import models as packages
from tridock.deploy.cli.session import Session
from tridock.deploy.config.load import Config, load
from tridock.deploy.local.models import DRAFT, FolderModels
from tridock.deploy.models.reference import Reference, fetch
from tridock.deploy.progress import Progress
from tridock.deploy.target import plugins
from tridock.deploy.target.errors import ConfigError, ConflictError, DeployError
from tridock.deploy.target.model_registry import Approval, ModelVersion, from_record, record
from tridock.deploy.waiting.retry import retrying
from tridock.inference.bundle.bundle import Bundle


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Bundle]:
    """Two versions of iris that tell their metrics."""
    folder = tmp_path_factory.mktemp("measured")
    old = bundles.measured(folder / "old", "iris", "1.0.0", accuracy=0.94)
    return old, bundles.measured(folder / "new", "iris", "1.1.0", accuracy=0.97)


@dataclass
class Desk:
    """The door in this process, leading to a target in memory: live, if somebody says so."""

    capture: pytest.CaptureFixture[str]
    state: Path
    target: MemoryTarget = field(default_factory=MemoryTarget)
    err: str = ""

    def __call__(self, *words: str | Path) -> int:
        settings = ("--state", str(self.state), "--set", "gates.requests=0")
        code = main([*map(str, words), *settings], connect=self._connect)
        self.out, self.err = self.capture.readouterr()
        return code

    def json(self, *words: str | Path) -> Any:
        assert self(*words, "--json") == 0, self.err
        return json.loads(self.out)

    def live(self, *words: str | Path) -> int:
        return self(*words, "--live", "--yes")

    def _connect(self, config: Config, say: Progress, *, live: bool) -> Session:
        return Session(config, plugins.find("local"), retrying(self.target), live, say)


@pytest.fixture
def desk(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Desk:
    return Desk(capsys, tmp_path / "state")


def test_a_version_is_registered_approved_named_listed_and_shown(
    desk: Desk, pair: tuple[Bundle, Bundle]
) -> None:
    for bundle in pair:
        assert desk("models", "register", "--bundle", bundle.path) == 0
    (said,) = desk.json("models", "approve", "iris:1.0.0", "--reason", "AUC holds\non May's data")
    assert said["approval"] == "approved"
    assert said["reason"].endswith(": AUC holds on May's data")
    assert said["reason"].startswith("ada of the memory")
    assert desk("models", "approve", "iris", "--reject", "--reason", "biased") == 0
    assert desk("models", "alias", "iris:1.0.0", "champion") == 0
    listed = desk.json("models", "list")
    assert [(one["version"], one["approval"], one["aliases"]) for one in listed] == [
        ("1.1.0", "rejected", []),
        ("1.0.0", "approved", ["champion"]),
    ]
    assert desk("models", "list", "iris") == 0
    for word in ("accuracy 0.97, macro_f1 0.96", "champion", "rejected", pair[0].digest[:12]):
        assert word in desk.out
    assert desk("models", "show", "iris@champion") == 0
    for word in ("AUC holds on May's data", pair[0].digest, "ab" * 32):
        assert word in desk.out


def test_what_is_not_there_is_answered_with_what_is(
    desk: Desk, pair: tuple[Bundle, Bundle]
) -> None:
    assert desk("models", "show", "iris") == 4
    assert "models register" in desk.err
    assert desk("models", "register", "--bundle", pair[0].path) == 0
    assert desk("models", "alias", "iris", "champion") == 0
    for words, told in {
        ("list", "loan"): "there are: iris",
        ("show", "iris:2"): "there are: 1.0.0",
        ("show", "iris@nobody"): "there are: champion (1.0.0)",
    }.items():
        assert desk("models", *words) == 4
        assert told in desk.err
    for bad in ("iris:", "@x", "IRIS", "iris@", ""):
        assert desk("models", "show", bad) == 2
    assert desk("models", "alias", "iris", "latest") == 2
    assert desk("models", "approve", "iris", "--reason", "  ") == 2


def test_a_release_by_alias_runs_the_bundle_that_was_registered(
    desk: Desk, pair: tuple[Bundle, Bundle]
) -> None:
    old, new = pair
    for bundle in pair:
        desk.json("models", "register", "--bundle", bundle.path)
    desk.json("models", "alias", "iris:1.0.0", "champion")
    assert desk.json("plan", "--model", "iris@champion")["steps"][1] == f"deploy {name_of(old)}"
    found = desk.json("release", "--model", "iris@champion")
    assert [one["digest"] for one in found["deployments"]] == [old.digest]
    desk.json("models", "alias", "iris", "champion")
    assert desk.json("release", "--model", "iris@champion")["traffic"] == {name_of(new): 100}


def test_only_what_is_approved_goes_to_a_live_account(
    desk: Desk, pair: tuple[Bundle, Bundle]
) -> None:
    old, new = pair
    assert desk.live("release", "--bundle", old.path) == 3
    assert "is not registered" in desk.err
    assert "models register --bundle DIR --target local --live" in desk.err
    desk.json("models", "register", "--bundle", old.path)
    for words in (("--bundle", str(old.path)), ("--model", "iris")):
        assert desk.live("release", *words) == 3
        assert "not approved: pending" in desk.err
        assert "models approve iris:1.0.0 --reason WHY" in desk.err
    desk.json("models", "approve", "iris", "--reject", "--reason", "biased")
    assert desk.live("release", "--model", "iris") == 3
    assert "biased" in desk.err
    assert desk("plan", "--model", "iris", "--live") == 0
    assert "would be refused" in desk.err
    assert not desk.target.running
    desk.json("models", "approve", "iris", "--reason", "mended")
    assert desk.live("release", "--bundle", old.path) == 0
    assert "deploy" in desk.target.calls
    assert desk("release", "--bundle", new.path) == 0  # no live account: nobody asks


def test_a_forced_release_is_remembered_with_who_when_why_and_what_was_against_it(
    desk: Desk, pair: tuple[Bundle, Bundle]
) -> None:
    old, new = pair
    assert desk.live("release", "--bundle", old.path, "--force", " ") == 2
    assert not desk.target.running
    assert desk.live("release", "--bundle", old.path, "--force", "the shop is down") == 0
    desk.json("models", "register", "--bundle", old.path)
    assert desk.live("release", "--model", "iris", "--force", "still") == 0
    first, second = desk.json("models", "show", "iris")["forced"]
    assert (first["why"], first["endpoint"]) == ("the shop is down", "iris")
    assert "not registered" in first["stood"]
    assert "pending" in second["stood"]
    assert first["who"].startswith("ada of the memory")
    assert first["when"] <= second["when"]
    desk.json("models", "approve", "iris", "--reason", "fine")
    assert desk.live("release", "--model", "iris", "--force", "needless") == 0
    assert desk("models", "show", "iris") == 0
    assert "to iris by " in desk.out
    assert "the shop is down" in desk.out
    assert "needless" not in desk.out


def test_a_target_without_a_registry_asks_nobody_and_says_so(
    desk: Desk, pair: tuple[Bundle, Bundle]
) -> None:
    desk.target.limits = {"models": "it has none"}
    assert desk.live("release", "--bundle", pair[0].path) == 0
    assert "no approval is needed: it has none" in desk.err


def test_of_bundle_and_model_the_nearer_one_is_released(tmp_path: Path) -> None:
    file = tmp_path / "release.toml"
    file.write_text('bundle = "iris"\n')
    read = load(file, {"model": "iris@champion"}, {})
    assert (read.bundle, read.model) == (None, Reference("iris", alias="champion"))
    file.write_text('model = "iris:1"\n')
    read = load(file, {}, {"TRIDOCK_BUNDLE": "mine"})
    assert (read.bundle, read.model) == (Path("mine"), None)
    file.write_text('model = "iris:1"\nbundle = "iris"\n')
    with pytest.raises(ConfigError, match="both say what to release"):
        load(file, {}, {})
    with pytest.raises(ConfigError, match=r"NAME, NAME:VERSION or NAME@ALIAS"):
        load(None, {"model": "Iris!"}, {})


def test_what_was_stored_is_not_released_if_it_is_another_bundle(
    pair: tuple[Bundle, Bundle], tmp_path: Path
) -> None:
    old, new = pair
    models = FolderModels(tmp_path / "models")
    found = models.register(old)
    stored = tmp_path / "models/iris/versions/1.0.0/bundle"
    shutil.rmtree(stored)
    shutil.copytree(new.path, stored)
    with pytest.raises(DeployError, match="is another bundle"):
        fetch(models, found, tmp_path / "fetched")
    assert list((tmp_path / "fetched").iterdir()) == []


def test_of_several_that_register_one_version_one_bundle_stands(
    pair: tuple[Bundle, Bundle], tmp_path: Path
) -> None:
    other = bundles.measured(tmp_path / "other", "iris", "1.0.0", accuracy=0.5)
    models = FolderModels(tmp_path / "models")
    (tmp_path / "models" / f"{DRAFT}killed" / "version" / "bundle").mkdir(parents=True)

    def register(bundle: Bundle) -> str:
        try:
            return models.register(bundle).digest
        except ConflictError:
            return "refused"

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(register, [pair[0], other] * 8))
    (stands,) = models.versions("iris")
    assert sorted(set(said)) == sorted({stands.digest, "refused"})
    assert said.count("refused") == 8
    assert not list((tmp_path / "models").glob(f"{DRAFT}*"))


#: Of what versions, digests and commits are made.
PLAIN = st.text("abcXYZ019._+-", min_size=1, max_size=40)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VERSIONS = st.builds(
    ModelVersion,
    st.just("iris"),
    PLAIN,
    PLAIN,
    artifact=st.just("s3://bucket/models/x/model.tar.gz"),
    number=st.integers(1, 999).map(str),
    approval=st.sampled_from(Approval),
    reason=st.text(max_size=40),
    metrics=st.dictionaries(
        st.text(min_size=1, max_size=8),
        st.floats(allow_nan=False, allow_infinity=False),
        max_size=5,
    ),
    data=PLAIN,
    source=PLAIN,
    created=st.datetimes(datetime(2020, 1, 1), timezones=st.just(UTC)),
)


@given(VERSIONS)
def test_a_version_survives_being_written(one: ModelVersion) -> None:
    assert from_record(json.loads(json.dumps(record(one)))) == one


@given(VERSIONS)
def test_a_version_survives_sagemakers_properties(one: ModelVersion) -> None:
    told: Any = {
        "CustomerMetadataProperties": packages.properties(one),
        "InferenceSpecification": {"Containers": [{"ModelDataUrl": one.artifact}]},
        "ModelPackageVersion": int(one.number),
        "ModelApprovalStatus": packages.STATUSES[one.approval],
        "ApprovalDescription": one.reason,
        "CreationTime": one.created,
    }
    for text in (*packages.properties(one), *packages.properties(one).values()):
        assert all(sign.isalnum() or sign in " _.:/=+-@" for sign in text)
    assert packages.version("iris", told) == one


def test_a_registered_version_outlives_its_releases_on_this_machine(
    pair: tuple[Bundle, Bundle], tmp_path: Path
) -> None:
    door = Door("local", tmp_path / "state")
    assert door("models register", "--bundle", pair[0].path).code == 0
    assert door("models alias", "iris", "champion").code == 0
    said = door("release", "--model", "iris@champion", "--json")
    assert said.code == 0, said.err
    assert said.json()["deployments"][0]["digest"] == pair[0].digest
    assert door("delete").code == 0
    models = FolderModels(door.state / "local" / "models")
    models.fetch(models.versions("iris")[0], tmp_path / "fetched")
    assert Bundle.read(tmp_path / "fetched").digest == pair[0].digest
