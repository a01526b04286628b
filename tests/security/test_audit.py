"""Who did something, as the target says and not as the environment claims; and how it is shown."""

from __future__ import annotations

import io
import json
import logging
import os
import pwd
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.deploy import bundles
from tests.deploy.commandline import Door
from tests.deploy.memory import MemoryNotes
from tridock.deploy.azure.account import principal
from tridock.deploy.cli import report
from tridock.deploy.models import aliases, approval
from tridock.deploy.progress import Progress
from tridock.deploy.target.errors import LockedError
from tridock.deploy.target.model_registry import ModelVersion
from tridock.deploy.target.records import Deployment, Endpoint, State
from tridock.deploy.waiting import lock
from tridock.deploy.waiting.lock import Claim, Terms
from tridock.deploy.waiting.owner import CALLER, CLAIMED, Owner, claims, user
from tridock.inference.plaintext import UNSAFE, Formatter, line, lines

#: What somebody sets to be taken for another.
PRETENDED = {
    "LOGNAME": "the-cfo",
    "USER": "the-cfo",
    "GITHUB_RUN_ID": "1",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/finance",
}
CLAIM = "claimed, not verified: user the-cfo, run https://github.com/acme/finance/actions/runs/1"
#: A name that would clear the screen, turn a word around and begin a line of its own.
NASTY = "x\x1b[2J\x9b31m\u202egnp.exe\nerror: all is well\r\u2028"


def os_user() -> str:
    return f"{pwd.getpwuid(os.getuid()).pw_name} (uid {os.getuid()})"


@pytest.fixture
def door(tmp_path: Path) -> Door:
    door = Door("local", tmp_path / "state")
    bundle = bundles.good(tmp_path / "bundle", "1")
    assert door("models register", "--bundle", bundle.path).code == 0
    return door


def test_who_pretends_to_be_another_in_ci_is_recorded_as_the_user_he_is(door: Door) -> None:
    words = ("iris", "--reason", "because I may")
    said = door("models approve", *words, "--json", environment=PRETENDED)
    (told,) = said.json()
    assert told["reason"].startswith(f"{os_user()} ({CLAIM}), ")
    assert told["reason"].endswith(": because I may")
    named = door("models alias", "iris", "champion", environment=PRETENDED)
    assert named.code == 0, named.err
    (change,) = door("models show", "iris", "--json").json()["named"]
    assert (change["who"], change["alias"], change["version"]) == (os_user(), "champion", "1")
    assert f"({change['claimed']})" == f"({CLAIM.removeprefix('claimed, not verified: ')})"
    shown = door("models show", "iris").out
    assert f"champion is 1, by {os_user()} ({CLAIM})" in shown


def test_a_lock_says_who_holds_it_and_what_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PRETENDED.items():
        monkeypatch.setenv(name, value)
    notes, caller = MemoryNotes(), "arn:aws:iam::123456789012:user/ada"
    with lock.held(notes, "iris", "rollback", terms=Terms(caller=caller)):
        told = json.loads(notes.kept["locks/iris.json"].body)["owner"]
        assert told["caller"] == caller
        assert "the-cfo" in told["claimed"]
        assert f"{caller} ({CLAIM}), process" in str(
            Claim.read(notes.kept["locks/iris.json"]).owner
        )


def test_a_forced_release_is_recorded_with_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in PRETENDED.items():
        monkeypatch.setenv(name, value)
    notes, bundle = MemoryNotes(), bundles.good(tmp_path / "bundle", "1")
    made = approval.force(bundle, "iris", why="it burns", stood="not approved", caller="ada")
    approval.record(notes, made)
    (found,) = approval.forced(notes, bundle.digest)
    assert (found.who, "the-cfo" in found.claimed) == ("ada", True)
    report.say_version(ModelVersion("iris", "1", bundle.digest), [found])
    assert f"by ada ({CLAIM})" in capsys.readouterr().out


def test_records_of_before_are_read_and_their_names_are_claims() -> None:
    notes, now = MemoryNotes(), datetime.now(UTC)
    owner = {"name": "the-cfo@x", "run": "https://ci.example/1", "machine": "m", "process": "1 2"}
    end = (now + timedelta(minutes=1)).isoformat()
    body = {"owner": owner, "what": "release", "since": now.isoformat(), "until": end}
    notes.write("locks/iris.json", json.dumps(body).encode(), over=None)
    found = lock.holder(notes, "iris")
    assert found
    assert str(found.owner).startswith("unknown (claimed, not verified: the-cfo@x in https://ci")
    old = {**approval.force.__annotations__, "x": 1}  # no record at all
    notes.write("forced/d.json", json.dumps([old], default=str).encode(), over=None)
    assert approval.forced(notes, "d") == ()


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"owner": 1}',
        b'{"owner": {"caller": 1}}',
        b'{"owner": {"caller": "a", "claimed": "", "machine": "m", "process": "p", "x": "y"}}',
        b'{"owner": {"caller": "a", "claimed": "", "machine": "m", "process": "p"}, "what": "x",'
        b' "since": "2026-01-01", "until": "2026-01-01"}',
    ],
)
def test_a_lock_that_is_none_is_named_and_not_a_traceback(broken: bytes) -> None:
    notes = MemoryNotes()
    notes.write("locks/iris.json", broken, over=None)
    with pytest.raises(LockedError, match="locks/iris.json is no lock"):
        lock.holder(notes, "iris")
    assert lock.busy(notes) == {"iris": None}


def test_what_is_recorded_fits_the_registries_and_holds_no_control_characters() -> None:
    environment = {"LOGNAME": NASTY * 20, "BUILD_URL": NASTY * 20}
    assert len(claims(environment)) <= CLAIMED
    assert not UNSAFE.search(claims(environment))
    signed = approval.signed("x" * approval.LONGEST, "c" * 2 * CALLER)
    assert len(signed) <= 512
    assert not UNSAFE.search(approval.signed(NASTY, "ada"))
    assert user() == os_user()
    assert Owner.here().caller == os_user()


def test_the_principal_of_an_azure_token_is_read_from_its_claims() -> None:
    import base64

    def token(claims: object) -> str:
        part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return f"e30.{part}.signature"

    assert principal(token({"upn": "ada@example.com", "oid": "7"})) == "ada@example.com (object 7)"
    assert principal(token({"appid": "5", "oid": "7"})) == "5 (object 7)"
    assert principal(token({"oid": "7"})) == "7"
    for nothing in ("", "opaque", "a.b.c", token([]), token({})):
        assert principal(nothing) == "a principal that the token does not name"


@given(st.text())
def test_no_text_moves_a_cursor_or_begins_a_line(text: str) -> None:
    assert not UNSAFE.search(line(text))
    assert all(not UNSAFE.search(each) for each in lines(text).split("\n"))
    line(text).encode()
    if not UNSAFE.search(text):
        assert line(text) == text


def test_outside_texts_reach_no_output_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    failed = Deployment("v1", State.FAILED, reason=NASTY, version=NASTY, bundle=NASTY)
    report.say_endpoints([Endpoint(NASTY, {"v1": failed, "[red]v2": replace(failed, name="[b]")})])
    report.say_version(ModelVersion("iris", "1", "d", reason=NASTY, source=NASTY), ())
    report.say_json({"x": NASTY})
    report.say(NASTY)
    shown = capsys.readouterr().out
    assert not any(UNSAFE.search(each) for each in shown.split("\n"))
    assert "\\x1b[2J" in shown
    assert "[b]" in shown


def test_steps_and_logs_show_outside_texts_with_escapes() -> None:
    out = io.StringIO()
    say = Progress(Console(file=out, width=200, highlight=False))
    with say.step(NASTY) as step:
        step.detail = NASTY
    say.note(NASTY)
    handler = logging.StreamHandler(out)
    handler.setFormatter(Formatter("%(levelname)s: %(message)s"))
    record = logging.LogRecord("x", logging.ERROR, "x", 1, "%s", (NASTY,), None)
    handler.emit(record)
    try:
        raise ValueError(NASTY)
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "x", 1, "m", (), sys.exc_info())
        handler.emit(record)
    assert not any(UNSAFE.search(each) for each in out.getvalue().split("\n"))
    assert out.getvalue().count("\\x1b[2J") >= 5


def test_the_commands_show_a_model_servers_log_and_their_own_errors_with_escapes(
    tmp_path: Path,
) -> None:
    door = Door("local", tmp_path)
    log = tmp_path / "local" / "servers" / "iris" / "v1" / "server.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"{NASTY}\n")
    said = door("logs", "--deployment", "v1")
    assert said.code == 0
    assert "\\x1b[2J" in said.out
    assert "\x1b" not in said.out
    failed = door("models show", "iris\x1b[2J")
    assert failed.code == 2
    assert "\x1b" not in failed.err


def test_changes_of_aliases_are_remembered_up_to_a_bound() -> None:
    notes = MemoryNotes()
    for number in range(aliases.REMEMBERED + 5):
        found = ModelVersion("iris", str(number), "d")
        aliases.record(notes, found, "champion", before="", caller="ada")
    kept = aliases.changes(notes, "iris")
    assert (len(kept), kept[-1].version) == (aliases.REMEMBERED, str(aliases.REMEMBERED + 4))
