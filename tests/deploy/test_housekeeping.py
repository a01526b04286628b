"""`sweep`, and the warnings of `status`: what is printed, asked, deleted, and for machines."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.deploy.memory import MemoryTarget
from tests.deploy.staging import Told
from tests.deploy.test_sweep import CONFIG, MODEL, claimed
from tridock.deploy.cli import arguments, commands
from tridock.deploy.cli.session import Session
from tridock.deploy.config.load import load
from tridock.deploy.target.errors import ConfigError, PermissionDeniedError
from tridock.deploy.target.metrics import Answer
from tridock.deploy.target.plugins import Cloud, Prices
from tridock.deploy.target.records import Release
from tridock.deploy.waiting.retry import retrying

BUNDLE = "f" * 64


@dataclass
class Desk:
    """Commands on a target in memory, whose machines cost half a dollar an hour."""

    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch
    target: MemoryTarget = field(default_factory=lambda: MemoryTarget(slow=0))
    told: Told = field(default_factory=Told)

    def run(self, *words: str, typed: str = "") -> str:
        """Run a command and return what it printed."""
        options = arguments.parse([*words])
        self.patch.setattr("sys.stdin", io.StringIO(typed))
        cloud = Cloud({}, {"": ""}, prices=Prices({"large": 0.5}, "a list"))
        config, say = load(None, arguments.flags(options)), self.told.progress()
        commands.run(options, Session(config, cloud, retrying(self.target), False, say))
        return self.capture.readouterr().out

    def refused(self, *words: str, error: type[Exception], typed: str = "") -> str:
        """Run a command that ends with an error, and return what it printed before."""
        with pytest.raises(error):
            self.run(*words, typed=typed)
        return self.capture.readouterr().out

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json"))


@pytest.fixture
def desk(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(capsys, monkeypatch)


def test_leftovers_are_listed_and_nothing_is_deleted_without_a_yes(desk: Desk) -> None:
    desk.target.spare = [MODEL, CONFIG]
    out = desk.refused("sweep", error=ConfigError, typed="no\n")
    for word in ("kind", "model", "iris--v1", "no endpoint runs it", "spam--77"):
        assert word in out
    assert desk.target.spare == [MODEL, CONFIG]
    desk.refused("sweep", error=ConfigError)
    assert desk.target.spare == [MODEL, CONFIG]


@pytest.mark.parametrize(("words", "typed"), [((), "yes\n"), (("--yes",), "")])
def test_after_a_yes_leftovers_are_deleted_and_said(
    words: tuple[str, ...], typed: str, desk: Desk
) -> None:
    desk.target.spare, desk.target.artifacts = [MODEL], {BUNDLE}
    out = desk.run("sweep", *words, typed=typed)
    assert out.endswith("deleted model iris--v1\ndeleted bundle ffffffffffff…\n2 deleted, 0 kept\n")
    assert (desk.target.spare, desk.target.artifacts) == ([], set())


def test_what_is_kept_is_said_with_who_needs_it(desk: Desk) -> None:
    desk.target.spare = [MODEL, CONFIG]
    claimed(desk.target, "iris")
    out = desk.run("sweep", "--yes")
    because = "iris is being changed: release of iris 2 by ada@elsewhere, process 4711"
    assert out.count(f"kept, because {because}:\n  model iris--v1\n") == 1
    assert out.endswith("1 deleted, 1 kept\n")


def test_where_nothing_is_left_over_nobody_is_asked(desk: Desk) -> None:
    assert desk.run("sweep") == "nothing is left over\n"
    desk.target.spare = [MODEL]
    claimed(desk.target, "iris")
    assert desk.run("sweep").startswith("nothing is left over that can be deleted now\n")


def test_machines_are_told_and_nothing_is_deleted_unless_they_say_yes(desk: Desk) -> None:
    desk.target.spare, desk.target.artifacts = [MODEL, CONFIG], {BUNDLE}
    claimed(desk.target, "iris")
    listed = desk.json("sweep")
    assert [one["name"] for one in listed["found"]] == ["spam--77"]
    assert listed["deleted"] == []
    assert [one["name"] for one in listed["kept"]] == ["iris--v1", BUNDLE]
    assert listed["kept"][0]["because"].startswith("iris is being changed")
    assert len(desk.target.spare) == 2
    swept = desk.json("sweep", "--yes")
    assert swept["deleted"] == swept["found"] == listed["found"]
    assert swept["found"][0] == {
        "kind": "configuration",
        "name": "spam--77",
        "endpoint": "spam",
        "created": None,
        "reason": "no endpoint uses it",
    }
    assert desk.target.spare == [MODEL]


def test_one_endpoint_is_swept_where_it_is_named(desk: Desk) -> None:
    desk.target.spare = [MODEL, CONFIG]
    assert desk.run("sweep", "--yes", "--endpoint", "spam").endswith("1 deleted, 0 kept\n")
    assert desk.target.spare == [MODEL]


def test_what_the_target_refuses_is_an_error_after_the_rest_was_done(desk: Desk) -> None:
    desk.target.spare = [MODEL, CONFIG]
    desk.run("sweep", "--json")
    calls = len(desk.target.calls)
    desk.target.faults = {2 * calls + 1: PermissionDeniedError("you may not")}
    out = desk.refused("sweep", "--yes", error=PermissionDeniedError)
    assert "deleted configuration spam--77" in out
    assert "you may not" in out
    assert out.endswith("1 deleted, 1 kept\n")


def serving(desk: Desk) -> None:
    release = Release("iris", "v1", "", instance="large", count=3, digest=BUNDLE)
    desk.target.deploy(release)


def test_status_warns_of_an_endpoint_that_nobody_asks_with_its_cost_and_its_end(
    desk: Desk,
) -> None:
    serving(desk)
    warning = desk.run("status", "--target", "aws", "--set", "idle_hours=2").splitlines()[-1]
    assert warning == (
        "warning: iris had no request for 2 hours or longer, $1.500 per hour; to end it: tridock "
        "delete --target aws --set idle_hours=2 --endpoint iris"
    )


def test_machines_are_warned_by_a_field(desk: Desk) -> None:
    serving(desk)
    (shown,) = desk.json("status")
    assert shown["idle"] == {
        "hours": 24,
        "usd_per_hour": 1.5,
        "command": "tridock delete --target local --endpoint iris",
    }
    desk.target.seen = {"v1": [Answer("1", (), 1.0)]}
    (shown,) = desk.json("status")
    assert shown["idle"] is None


def test_nobody_is_warned_who_does_not_want_to_be(desk: Desk) -> None:
    serving(desk)
    assert "warning" not in desk.run("status", "--set", "idle_hours=0")
    assert "metrics" not in desk.target.calls
