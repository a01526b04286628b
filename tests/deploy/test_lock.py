"""One change of an endpoint at a time, whoever dies in between."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.deploy.memory import MemoryNotes, MemoryTarget
from tests.deploy.staging import Hands
from tridock.deploy.target.errors import ConflictError, LockedError, UnavailableError
from tridock.deploy.target.notes import Note
from tridock.deploy.waiting import lock
from tridock.deploy.waiting.lock import Claim, Lease, Terms
from tridock.deploy.waiting.owner import Owner
from tridock.deploy.waiting.retry import Policy, retrying_notes

KEY = "locks/iris.json"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ADA = Owner("ada@elsewhere", "https://ci.example/run/7", "elsewhere", "4711 99")


@dataclass
class Watch:
    """The time of day, put forward by hand."""

    time: datetime = NOON

    def terms(self) -> Terms:
        return Terms(length=120, renewal=1e6, margin=30, now=lambda: self.time)

    def pass_(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def claimed(notes: MemoryNotes, owner: Owner = ADA) -> Note:
    """Let somebody hold the lock at noon."""
    claim = Claim(owner, "release of iris 2", NOON, NOON + timedelta(seconds=120))
    return notes.write(KEY, claim.body(), over=None)


def test_a_lock_stands_while_it_is_held_and_not_afterwards() -> None:
    notes = MemoryNotes()
    for _ in range(2):
        with lock.held(notes, "iris", "rollback"):
            assert Claim.read(notes.kept[KEY]).what == "rollback"
        assert notes.kept == {}


@pytest.mark.parametrize("ending", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_a_lock_is_given_back_however_its_block_ends(ending: type[BaseException]) -> None:
    notes = MemoryNotes()
    with pytest.raises(ending), lock.held(notes, "iris", "rollback"):
        raise ending
    assert notes.kept == {}


def test_a_second_change_is_told_who_is_at_it_and_since_when() -> None:
    notes, watch = MemoryNotes(), Watch()
    claimed(notes)
    watch.pass_(90)
    with pytest.raises(LockedError) as refused, lock.held(notes, "iris", "x", terms=watch.terms()):
        pass
    assert str(refused.value) == (
        "iris is being changed: release of iris 2 by ada@elsewhere (claimed, not "
        "verified: https://ci.example/run/7), process 4711, since 2026-11-22 12:00:00 UTC, 90 s "
        "ago. Try again when it is done; if it was killed, its lock ends at 12:02:00 UTC"
    )
    assert refused.value.exit_code == 4


def test_endpoints_are_locked_one_by_one() -> None:
    notes = MemoryNotes()
    with lock.held(notes, "iris", "x"), lock.held(notes, "spam", "y"):
        assert len(notes.kept) == 2


def test_a_lock_whose_time_is_up_is_taken_over_and_that_is_told() -> None:
    notes, watch, told = MemoryNotes(), Watch(), list[str]()
    claimed(notes)
    watch.pass_(120)
    with lock.held(notes, "iris", "rollback", terms=watch.terms(), tell=told.append):
        assert Claim.read(notes.kept[KEY]).what == "rollback"
    assert told == [f"took over the lock of {ADA}, left by its release of iris 2"]


def test_the_lock_of_a_process_of_this_machine_that_has_ended_is_taken_over_at_once() -> None:
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            "from tridock.deploy.waiting.owner import Owner; print(Owner.here().process)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    notes, watch = MemoryNotes(), Watch()
    claimed(notes, replace(Owner.here(), process=ended.stdout.strip()))
    with lock.held(notes, "iris", "again", terms=watch.terms()):
        assert Claim.read(notes.kept[KEY]).what == "again"


def test_the_lock_of_a_living_process_of_this_machine_is_not_taken_over() -> None:
    notes, watch = MemoryNotes(), Watch()
    claimed(notes, Owner.here())
    with pytest.raises(LockedError), lock.held(notes, "iris", "again", terms=watch.terms()):
        pass


def test_a_process_number_used_again_is_another_process() -> None:
    here = Owner.here()
    number, _, began = here.process.partition(" ")
    assert not here.has_ended()
    assert replace(here, process=f"{number} {int(began) - 1}").has_ended()
    assert not replace(here, machine="elsewhere", process="1 1").has_ended()


def test_of_many_that_want_the_lock_at_once_one_gets_it() -> None:
    target, won, refused = MemoryTarget(), list[str](), list[LockedError]()
    start, done = threading.Barrier(6), threading.Event()

    def want(name: str) -> None:
        start.wait()
        try:
            with lock.held(target.notes, "iris", name):
                won.append(name)
                done.wait(10)
        except LockedError as error:
            refused.append(error)
        if len(refused) == 5:
            done.set()

    threads = [threading.Thread(target=want, args=(str(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert all(f": {won[0]} by " in str(error) for error in refused)


def test_a_renewed_lock_is_not_lost_and_one_that_is_not_is_lost_before_its_end() -> None:
    notes, watch = MemoryNotes(), Watch()
    lease = Lease(notes, claimed(notes), watch.terms())
    watch.pass_(89)
    lease.renew()
    watch.pass_(89)
    lease.check()
    watch.pass_(2)
    with pytest.raises(LockedError, match="could not be renewed in time"):
        lease.check()
    assert Claim.read(notes.kept[KEY]).since == NOON


def test_who_lost_the_lock_changes_nothing_more_and_leaves_it_to_its_new_holder() -> None:
    notes, watch = MemoryNotes(), Watch()
    lease = Lease(notes, claimed(notes), watch.terms())
    other = notes.write(KEY, b"{}", over=notes.kept[KEY])
    lease.renew()
    with pytest.raises(LockedError, match="somebody else"):
        lease.check()
    lease.give_back()
    assert notes.kept[KEY] == other


def test_a_note_that_is_no_lock_is_named_and_nobody_changes_anything() -> None:
    notes = MemoryNotes()
    notes.write(KEY, b"hands off", over=None)
    with pytest.raises(LockedError, match=KEY), lock.held(notes, "iris", "x"):
        pass


@dataclass
class Forgetful(MemoryNotes):
    """Does the first write, and loses its answer."""

    lost: bool = False

    def write(self, key: str, body: bytes, *, over: Note | None) -> Note:
        note = super().write(key, body, over=over)
        if not self.lost:
            self.lost = True
            raise UnavailableError("the answer was lost")
        return note


def test_a_note_whose_answer_was_lost_is_known_as_our_own() -> None:
    notes = retrying_notes(Forgetful(), Policy(clock=Hands().clock()))
    written = notes.write(KEY, b"ours", over=None)
    assert notes.read(KEY) == written
    with pytest.raises(ConflictError):
        notes.write(KEY, b"another's", over=None)
