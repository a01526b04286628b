"""A full disk: each verb says so in one line, and `delete` makes room."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.commandline import Door
from tests.deploy.staging import name_of
from tridock.inference.bundle.bundle import Bundle

MOUNT = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small disk; that takes root."""
    mounted = subprocess.run([*MOUNT, tmp_path], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


def fill(disk: Path) -> None:
    for size in (1 << 20, 1 << 12, 1):
        with pytest.raises(OSError, match="No space left"):
            _write_for_ever(disk / f"fill-{size}", bytes(size))


def _write_for_ever(file: Path, part: bytes) -> None:
    with file.open("wb", buffering=0) as written:
        while True:
            written.write(part)


def test_every_verb_says_that_the_disk_is_full_and_delete_works(
    disk: Path, v1: Bundle, v2: Bundle
) -> None:
    door = Door("local", disk / "state")
    said = door("release", "--bundle", v1.path)
    assert said.code == 0, said.err
    fill(disk)
    commands: dict[str, list[Path | str]] = {
        "release": ["--bundle", v2.path],
        "models register": ["--bundle", v1.path],
        "rollback": [],
    }
    for verb, words in commands.items():
        said = door(verb, *words)
        assert said.code == 1, said.err
        assert "No space left on device" in said.err.splitlines()[-1]
        assert "Traceback" not in said.err
    assert door("status", "--json").json()[0]["traffic"] == {name_of(v1): 100}
    gone = door("delete")
    assert gone.code == 0, gone.err
    assert "no lock: No space left on device; deleting without one" in gone.err
    assert [path for path in disk.rglob(".*.json.*") if path.is_file()] == []
