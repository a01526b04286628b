"""The doors `up down status logs env run`, knocked on as a user does."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tridock.emulators import daemon
from tridock.emulators.place import Place


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("doors")
    yield folder
    _door("down", "aws", state=folder)


def _door(
    *words: str, state: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    ours, dashes, theirs = " ".join(words).partition(" -- ")
    command = [sys.executable, "-m", "tridock.emulators", *ours.split(), "--state", str(state)]
    command += ["--", *shlex.split(theirs)] if dashes else []
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=600,
        env=dict(os.environ) | (environment or {}),
        check=False,
    )


def _pid(state: Path) -> int:
    running = daemon.find(Place("aws", state))
    assert running
    return running.pid


def test_up_twice_is_once_also_at_the_same_time(state: Path) -> None:
    command = [sys.executable, "-m", "tridock.emulators", "up", "aws", "--state", str(state)]
    several = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {each.communicate(timeout=600)[0] for each in several}
    assert {each.returncode for each in several} == {0}
    assert said == {f"aws emulator is up (pid {_pid(state)}), log {state}/aws/emulator.log\n"}
    assert _door("up", "aws", state=state).stdout in said


def test_status_says_where_since_when_and_how_many(state: Path) -> None:
    _door("up", "aws", state=state)
    found = json.loads(_door("status", "--json", state=state).stdout)
    assert found["gcp"] == {
        "up": False,
        "pid": None,
        "url": None,
        "uptime": None,
        "servers": None,
    }
    assert found["aws"]["pid"] == _pid(state)
    assert found["aws"]["url"].startswith("http://127.0.0.1:")
    assert found["aws"]["servers"] == 0
    lines = _door("status", "aws", "gcp", state=state).stdout.splitlines()
    assert f"pid {_pid(state)}, {found['aws']['url']}, 0 model servers" in lines[0]
    assert lines[1].split() == ["gcp", "down"]


def test_env_prints_exports_and_nothing_else_on_stdout(state: Path) -> None:
    lines = _door("env", "aws", state=state).stdout.splitlines()
    assert all(line.startswith(("export ", "unset ")) for line in lines)
    shell = "\n".join(lines) + '\nprintf %s "$AWS_ENDPOINT_URL"'
    said = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout
    assert said == json.loads(_door("status", "--json", state=state).stdout)["aws"]["url"]


def test_variables_of_the_caller_that_lead_elsewhere_are_unset(state: Path) -> None:
    foreign = {
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "https://elsewhere.example",
        "AWS_ENDPOINT_URL_S3": "https://elsewhere.example",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/tmp/token",
        "AWS_ROLE_ARN": "arn:aws:iam::999999999999:role/theirs",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://elsewhere.example",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "ALL_PROXY": "http://elsewhere.example:3128",
    }
    replaced = {
        "AWS_PROFILE": "production",
        "AWS_CONFIG_FILE": "/elsewhere/config",
        "AWS_CA_BUNDLE": "/elsewhere/ca.pem",
        "NO_PROXY": ".amazonaws.com",
        "no_proxy": ".amazonaws.com",
    }
    exports = _door("env", "aws", state=state, environment=foreign | replaced).stdout
    assert {f"unset {name}" for name in foreign} <= set(exports.splitlines())
    run = _door("run aws -- env", state=state, environment=foreign | replaced).stdout
    evaluated = subprocess.run(
        ["sh", "-c", f"{exports}\nenv"],
        capture_output=True,
        text=True,
        env=dict(os.environ) | foreign | replaced,
        check=True,
    ).stdout
    for printed in (run, evaluated):
        left = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)
        assert not set(foreign) & set(left)
        assert not {name: left[name] for name in replaced if left[name] == replaced[name]}


def test_run_leads_the_command_and_ends_with_its_exit_code(state: Path) -> None:
    done = _door("run aws -- sh -c 'printf %s $AWS_ENDPOINT_URL; exit 7'", state=state)
    assert done.stdout.startswith("http://127.0.0.1:")
    assert done.returncode == 7
    asked = _door("run aws -- sh -c 'echo --state $0' --state", state=state)
    assert asked.stdout == "--state --state\n"  # words behind the dashes are the command's own


def test_run_says_what_it_misses(state: Path) -> None:
    nothing = _door("run", "aws", state=state)
    assert nothing.returncode == 2
    assert "run needs a command" in nothing.stderr
    unknown = _door("run aws -- no-such-command", state=state)
    assert unknown.returncode == 2
    assert unknown.stderr == "error: no-such-command: No such file or directory\n"


def test_an_unknown_cloud_is_a_usage_error(state: Path) -> None:
    refused = _door("up", "mars", state=state)
    assert refused.returncode == 2
    assert "unknown cloud mars: choose aws, gcp, azure" in refused.stderr


def test_logs_are_printed_and_followed(state: Path) -> None:
    _door("up", "aws", state=state)
    log = Place("aws", state).log
    with log.open("a") as out:
        out.write("a line of the log\n")
    assert "a line of the log" in _door("logs", "aws", state=state).stdout
    command = [
        sys.executable,
        "-m",
        "tridock.emulators",
        "logs",
        "-f",
        "aws",
        "--state",
        str(state),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout
        while "a line of the log" not in following.stdout.readline():
            pass
        with log.open("a") as out:
            out.write("what came later\n")
        assert following.stdout.readline() == "what came later\n"
        following.send_signal(signal.SIGINT)
        assert following.wait(20) == 130


def test_up_after_a_crash_is_a_new_one_at_the_same_address(state: Path) -> None:
    _door("up", "aws", state=state)
    before, url = _pid(state), json.loads(_door("status", "--json", state=state).stdout)
    os.kill(before, signal.SIGKILL)
    while daemon.find(Place("aws", state)):
        time.sleep(0.05)
    assert "down" in _door("status", "aws", state=state).stdout
    assert Place("aws", state).running.exists()  # the stale file of the crashed one
    assert _door("down", "aws", state=state).stdout == "aws emulator was not up\n"
    assert _door("up", "aws", state=state).returncode == 0
    again = json.loads(_door("status", "--json", state=state).stdout)
    assert again["aws"]["pid"] != before
    assert again["aws"]["url"] == url["aws"]["url"]


def test_proxies_of_the_caller_are_not_in_the_way(tmp_path: Path) -> None:
    nowhere = dict.fromkeys(
        ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"),
        "http://127.0.0.1:9",
    )
    try:
        assert _door("up", "aws", state=tmp_path, environment=nowhere).returncode == 0
        status = _door("status", "aws", "--json", state=tmp_path, environment=nowhere)
        assert json.loads(status.stdout)["aws"]["servers"] == 0
        asks = "import boto3; print(boto3.client('s3').list_buckets()['Buckets'])"
        command = f"run aws -- {shlex.quote(sys.executable)} -c {shlex.quote(asks)}"
        assert _door(command, state=tmp_path, environment=nowhere).stdout == "[]\n"
    finally:
        _door("down", "aws", state=tmp_path)
