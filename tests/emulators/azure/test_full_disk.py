"""A full disk is refused in Azure's words; nothing is half done, and deleting makes room again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.emulators.azure.rest import WORKSPACE, Rest
from tridock.emulators import daemon
from tridock.emulators.place import Place

CONTAINER = "https://tridockstorage.blob.core.windows.net/azureml-blobstore-1"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Place]:
    """Yield an emulator whose state folder is a small disk of its own."""
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(tmp_path)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk is mounted by root only")
    place = Place("azure", tmp_path, speed=600.0)
    try:
        daemon.up(place)
        yield place
    finally:
        daemon.down(place)
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_a_full_disk_is_refused_whole_and_deleting_makes_room(small: Place) -> None:
    rest = Rest.open(daemon.environment(small))
    sas = {"Authorization": f"Bearer {rest.token('https://storage.azure.com')}"}
    put = {**sas, "x-ms-blob-type": "BlockBlob"}

    def write(number: int) -> httpx.Response:
        return rest.client.put(f"{CONTAINER}/b{number}", content=bytes(500_000), headers=put)

    rest.endpoint("standing")
    written = 0
    while (answer := write(written)).status_code == 201:
        written += 1
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (500, "InternalServerError")
    assert "free space" in answer.text
    (small.state / "rest").write_bytes(_all_that_is_left(small.state))
    path = f"{WORKSPACE}/onlineEndpoints/another"
    body = {"location": "eastus", "properties": {"authMode": "Key"}}
    refused = rest.arm("PUT", path, body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (500, "InternalServerError")
    assert rest.arm("GET", path).status_code == 404
    assert rest.client.head(f"{CONTAINER}/b{written}", headers=sas).status_code == 404
    assert rest.client.delete(f"{CONTAINER}/b0", headers=sas).status_code == 202
    assert rest.done(rest.arm("DELETE", path.replace("another", "standing")))["status"] == (
        "Succeeded"
    )
    assert daemon.down(small)
    (small.state / "rest").unlink()
    daemon.up(small)
    assert rest.client.head(f"{CONTAINER}/b0", headers=sas).status_code == 404
    for number in range(1, written):
        assert rest.client.get(f"{CONTAINER}/b{number}", headers=sas).content == bytes(500_000)
    assert rest.arm("GET", path.replace("another", "standing")).status_code == 404
    assert write(written).status_code == 201
    rest.client.close()


def _all_that_is_left(folder: Path) -> bytes:
    found = os.statvfs(folder)
    return bytes(found.f_bavail * found.f_frsize)
