from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.deploy.memory import MemoryTarget
from tests.deploy.staging import Hands
from tridock.deploy.target.errors import (
    BusyError,
    ConflictError,
    DeadlineError,
    UnavailableError,
    UnsentError,
)
from tridock.deploy.target.records import Release
from tridock.deploy.waiting import wait
from tridock.deploy.waiting.retry import Policy, call, retrying
from tridock.deploy.waiting.wait import SLOWEST, Deadline


@given(st.floats(0.1, 5000))
def test_waiting_ends_at_the_deadline_and_asks_at_least_every_ten_seconds(timeout: float) -> None:
    hands, looks = Hands(), []

    def never() -> bool:
        looks.append(hands.time)
        return False

    with pytest.raises(DeadlineError, match="it rains"):
        wait.until(never, Deadline.after(timeout, hands.clock()), goal="it rains")
    assert hands.time == pytest.approx(timeout, rel=1e-2)
    pauses = [after - before for before, after in zip(looks, looks[1:], strict=False)]
    assert max(pauses) <= SLOWEST + 1e-3


def test_what_is_there_already_is_not_waited_for() -> None:
    hands = Hands()
    wait.until(lambda: True, Deadline.after(0.0, hands.clock()), goal="it is there")
    assert hands.time < 1e-3


def test_only_what_may_succeed_later_is_tried_again() -> None:
    tried = []

    def refuse() -> None:
        tried.append(1)
        raise ConflictError("no")

    with pytest.raises(ConflictError):
        call(refuse, Policy(clock=Hands().clock()))
    assert len(tried) == 1


@pytest.mark.parametrize(("busy", "ends"), [(900.0, True), (700.0, False)])
def test_a_change_under_way_is_waited_for_longer_than_an_outage(busy: float, ends: bool) -> None:
    hands = Hands()

    def change() -> str:
        if hands.time < 800:
            raise BusyError("an operation is in progress")
        return "done"

    policy = Policy(clock=hands.clock(), patience=60, busy=busy)
    if ends:
        assert call(change, policy) == "done"
    else:
        with pytest.raises(BusyError):
            call(change, policy)


@given(st.integers(0, 8))
def test_a_call_that_succeeds_in_the_end_is_returned(failures: int) -> None:
    left = [UnavailableError("busy")] * failures

    def work() -> str:
        if left:
            raise left.pop()
        return "done"

    assert call(work, Policy(clock=Hands().clock(), patience=600)) == "done"


def test_the_clouds_hint_is_the_least_pause() -> None:
    hands, left = Hands(), [UnavailableError("busy", retry_after=7.0)]

    def work() -> float:
        if left:
            raise left.pop()
        return hands.time

    assert call(work, Policy(clock=hands.clock())) >= 7.0


def test_a_call_is_not_tried_once_its_permit_is_gone() -> None:
    tried, hands = list[int](), Hands()

    def permit() -> None:
        if len(tried) == 2:
            raise ConflictError("the lock is lost")

    def refuse() -> None:
        tried.append(1)
        raise UnavailableError("busy")

    with pytest.raises(ConflictError, match="the lock is lost"):
        call(refuse, Policy(clock=hands.clock(), permit=permit))
    assert len(tried) == 2


@pytest.mark.parametrize("error", [UnsentError, UnavailableError])
def test_a_request_is_sent_once_and_tried_again_only_where_none_was_sent(
    error: type[UnavailableError],
) -> None:
    tried = []

    def answer(name: str, body: bytes) -> bytes:
        tried.append(name)
        if len(tried) == 1:
            raise error("busy")
        return b"{}"

    target = MemoryTarget(answer=answer, running={"e": {"v1": Release("e", "v1", "")}})
    patient = retrying(target, Policy(clock=Hands().clock()))
    if error is UnsentError:
        assert patient.invoke("e", b"", deployment="v1") == b"{}"
        assert len(tried) == 2
    else:
        with pytest.raises(UnavailableError):
            patient.invoke("e", b"", deployment="v1")
        assert len(tried) == 1


def test_patience_ends() -> None:
    hands = Hands()

    def refuse() -> None:
        raise UnavailableError("busy")

    with pytest.raises(UnavailableError):
        call(refuse, Policy(clock=hands.clock(), patience=60, dice=lambda low, high: high))
    assert 30 < hands.time <= 60.1
