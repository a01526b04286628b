"""However the emulator ends, its model servers end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.aws.hosting import (
    BUCKET,
    IMAGE,
    ROLE,
    Aws,
    Hosting,
    control,
    emulated,
    eventually,
    variant,
)
from tridock.emulators import daemon


@pytest.fixture(scope="module")
def resettable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with emulated(tmp_path_factory.mktemp("resettable")) as running:
        yield running


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda one: one.name)
def test_no_model_server_outlives_the_emulator(
    tmp_path: Path, archives: Any, number: signal.Signals
) -> None:
    with emulated(tmp_path) as own:
        _serve(own, archives)
        servers, running = _servers(own), daemon.find(own.place)
        assert running is not None
        assert len(servers) == 2
        assert all(_runs(pid) for pid in servers)
        os.kill(running.pid, number)
        eventually(lambda: not any(_runs(pid) for pid in (running.pid, *servers)))
        assert daemon.find(own.place) is None


@pytest.mark.parametrize("route", ["_emulator/reset", "moto-api/reset"])
def test_a_reset_clears_the_state_and_ends_the_servers(
    resettable: Aws, archives: Any, route: str
) -> None:
    _serve(resettable, archives)
    servers = _servers(resettable)
    control(resettable, "POST", f"../{route}", {})
    eventually(lambda: not any(_runs(pid) for pid in servers))
    assert resettable.client("sagemaker").list_endpoints()["Endpoints"] == []
    assert resettable.client("s3").list_buckets()["Buckets"] == []
    assert _servers(resettable) == []


def _serve(own: Aws, archives: Any) -> None:
    """Bring up an endpoint with two model servers."""
    s3, sagemaker = own.client("s3"), own.client("sagemaker")
    s3.create_bucket(Bucket=BUCKET)
    s3.upload_file(str(archives["tree"]), BUCKET, "tree/model.tar.gz")
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/tree/model.tar.gz"}
    sagemaker.create_model(ModelName="tree", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    Hosting(sagemaker, own.client("sagemaker-runtime")).serve(
        variant("A", "tree"), variant("B", "tree")
    )


def _servers(own: Aws) -> list[int]:
    return [int(server["pid"]) for server in control(own, "GET", "servers")["servers"]]


def _runs(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
