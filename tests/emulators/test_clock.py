"""The service's time."""

from __future__ import annotations

import math
import threading

from hypothesis import given
from hypothesis import strategies as st

from tridock.emulators.clock import Clock


@given(st.floats(0, 1e6), st.floats(0.1, 1e4))
def test_a_fast_clock_shortens_durations_by_its_speed(seconds: float, speed: float) -> None:
    assert math.isclose(Clock(speed).real(seconds) * speed, seconds, rel_tol=1e-9, abs_tol=1e-9)


def test_a_sleep_that_ends_by_itself_says_so() -> None:
    assert Clock(1e6).sleep(10) is True


def test_stopping_wakes_every_sleeper_and_later_sleeps_do_not_begin() -> None:
    clock = Clock(1.0)
    woken: list[bool] = []
    sleepers = [threading.Thread(target=lambda: woken.append(clock.sleep(3600))) for _ in range(3)]
    for sleeper in sleepers:
        sleeper.start()
    clock.stop()
    for sleeper in sleepers:
        sleeper.join(300)
    assert woken == [False, False, False]
    assert clock.sleep(3600) is False
