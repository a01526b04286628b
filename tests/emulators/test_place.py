"""The files of an emulator's state folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tridock.emulators.place import remove_drafts, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_whole_for_its_owner_only(tmp_path: Path) -> None:
    write_whole(tmp_path / "state.json", b"first")
    write_whole(tmp_path / "state.json", b"second")
    assert (tmp_path / "state.json").read_bytes() == b"second"
    assert (tmp_path / "state.json").stat().st_mode & 0o077 == 0
    assert names(tmp_path) == ["state.json"]


def test_a_refused_file_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "state.json").mkdir()
    with pytest.raises(OSError, match="state.json"):
        write_whole(tmp_path / "state.json", b"text")
    assert names(tmp_path) == ["state.json"]


def test_drafts_of_a_killed_process_are_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    for name in (".running.json.140234", ".hidden", "running.json", "tls/.ca.pem.4711.139"):
        (tmp_path / name).touch()
    remove_drafts(tmp_path)
    assert names(tmp_path) == [".hidden", "running.json", "tls"]
    assert names(tmp_path / "tls") == []
