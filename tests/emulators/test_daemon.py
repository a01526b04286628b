"""An emulator as a process: found, refused, given up on."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import command_lines
from tridock.emulators import daemon
from tridock.emulators.__main__ import main
from tridock.emulators.errors import NotRunningError, StartError
from tridock.emulators.place import Place


def test_an_emulator_that_does_not_start_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="invalid choice: 'teleport'"):
        daemon.up(Place("aws", tmp_path, runner="teleport"))
    assert daemon.find(Place("aws", tmp_path)) is None


def test_one_that_does_not_answer_in_time_is_ended(tmp_path: Path) -> None:
    place = Place("aws", tmp_path)
    with pytest.raises(StartError):
        daemon.up(place, timeout=0.01)
    assert command_lines(str(tmp_path)) == []


def test_a_cloud_that_is_not_built_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="there is no mars emulator in this checkout yet"):
        daemon.up(Place("mars", tmp_path))


def test_a_state_folder_that_is_a_file_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["env", "aws", "--state", str(tmp_path / "file")]) == 2
    assert "choose another folder with --state" in capsys.readouterr().err


def test_a_plan_of_faults_that_is_not_there_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--state", str(tmp_path), "--faults", str(tmp_path / "absent")]
    assert main(["up", "aws", *words]) == 2
    assert f"--faults {tmp_path / 'absent'} is no plan of faults" in capsys.readouterr().err
    assert daemon.find(Place("aws", tmp_path)) is None


def test_nothing_runs_where_nothing_was_started(tmp_path: Path) -> None:
    place = Place("aws", tmp_path)
    assert daemon.find(place) is None
    assert daemon.down(place) is False
    with pytest.raises(NotRunningError, match="tridock emulators up aws"):
        daemon.environment(place)


def test_a_stale_or_torn_record_is_no_emulator(tmp_path: Path) -> None:
    place = Place("aws", tmp_path)
    place.folder.mkdir(parents=True)
    (place.folder / "lock").write_text("1\n")
    for record in (json.dumps({"pid": 1, "environment": {}}), '{"pid": 1'):
        place.running.write_text(record)
        assert daemon.find(place) is None
    with (place.folder / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert daemon.find(place) is None  # held, but the record is torn


def test_the_folder_of_a_running_emulator_is_refused_to_another(tmp_path: Path) -> None:
    place = Place("aws", tmp_path)
    place.folder.mkdir(parents=True)
    with (place.folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        command = [
            sys.executable,
            "-m",
            "tridock.emulators",
            "serve",
            "aws",
            "--state",
            str(tmp_path),
        ]
        refused = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert refused.returncode == 1
    assert "another aws emulator uses" in refused.stderr


def test_one_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    place = Place("aws", tmp_path)
    place.folder.mkdir(parents=True)
    script = f"""
import fcntl, os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
lock = open({str(place.folder / "lock")!r}, "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print(os.getpid(), file=lock, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", script]) as stubborn:
        while not (place.folder / "lock").exists() or not (place.folder / "lock").read_text():
            time.sleep(0.02)
        assert daemon.down(place, timeout=0.3) is True
        with pytest.raises(ProcessLookupError):
            os.kill(stubborn.pid, 0)
    assert daemon.down(place) is False


def test_the_checkout_is_found_from_any_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tridock.emulators", "status", "aws", "--state", str(tmp_path)]
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=dict(os.environ) | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    assert done.stdout.split() == ["aws", "down"]


def test_variables_that_lead_elsewhere_are_removed_and_ours_stand() -> None:
    running = daemon.Running(1, {"AWS_REGION": "here"}, 0.0, ("AWS_*", "ALL_PROXY"))
    before = {"AWS_PROFILE": "mine", "AWS_REGION": "there", "ALL_PROXY": "out", "HOME": "/root"}
    assert running.unset(before) == ["AWS_PROFILE", "ALL_PROXY"]
    assert running.applied(before) == {"AWS_REGION": "here", "HOME": "/root"}
