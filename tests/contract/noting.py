"""What every target's notes must do; `tests.contract.test_target` runs it on each target."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator

import pytest

from tridock.deploy.target.errors import ConflictError
from tridock.deploy.target.notes import Note, Notes
from tridock.deploy.target.protocol import Target


@pytest.fixture
def notes(target: Target) -> Notes:
    """The target's notes as it is opened: tried again where that is safe."""
    return target.notes


@pytest.fixture
def key(notes: Notes) -> Iterator[str]:
    """A note that nobody wrote yet; nothing of it is left afterwards."""
    key = f"contract/{uuid.uuid4().hex[:8]}.json"
    yield key
    found = notes.read(key)
    if found:
        notes.remove(key, over=found)


def test_a_note_is_written_read_replaced_and_removed(notes: Notes, key: str) -> None:
    assert notes.read(key) is None
    assert key not in list(notes.keys())
    first = notes.write(key, b"1", over=None)
    assert notes.read(key) == first
    assert key in list(notes.keys())
    second = notes.write(key, b"2", over=first)
    assert notes.read(key) == second
    assert second.body == b"2"
    for _ in range(2):
        notes.remove(key, over=second)
        assert notes.read(key) is None


def test_a_note_is_not_written_over_one_that_was_not_seen(notes: Notes, key: str) -> None:
    first = notes.write(key, b"1", over=None)
    with pytest.raises(ConflictError):
        notes.write(key, b"other", over=None)
    second = notes.write(key, b"2", over=first)
    with pytest.raises(ConflictError):
        notes.write(key, b"other", over=first)
    with pytest.raises(ConflictError):
        notes.remove(key, over=first)
    assert notes.read(key) == second


def test_a_note_that_was_removed_is_not_written_over(notes: Notes, key: str) -> None:
    first = notes.write(key, b"1", over=None)
    notes.remove(key, over=first)
    with pytest.raises(ConflictError):
        notes.write(key, b"2", over=first)
    assert notes.read(key) is None


def test_of_several_writers_one_wins(notes: Notes, key: str) -> None:
    for over in (None, "the winner"):
        seen = notes.read(key) if over else None
        won = _raced(notes, key, seen)
        assert len(won) == 1
        assert notes.read(key) == won[0]


def _raced(notes: Notes, key: str, over: Note | None) -> list[Note]:
    won, start = [], threading.Barrier(4)

    def write(name: str) -> None:
        start.wait()
        try:
            won.append(notes.write(key, f"{name} {uuid.uuid4()}".encode(), over=over))
        except ConflictError:
            return

    writers = [threading.Thread(target=write, args=(str(number),)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    return won
