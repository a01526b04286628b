"""When a server that ended is started again."""

from __future__ import annotations

from tridock.deploy.local.supervised import LONGEST, STEADY, Restarts, exit_text


def test_the_first_restart_is_at_once_and_the_next_ones_ever_later() -> None:
    found, pauses = Restarts(), []
    for _ in range(10):
        found = found.ended("code 1", lived=1.0, now=100.0)
        assert found.next_try is not None
        pauses.append(found.next_try - 100.0)
        found = found.started()
        assert found.next_try is None
    assert pauses == [0, 1, 2, 4, 8, 16, 32, LONGEST, LONGEST, LONGEST]
    assert (found.count, found.last_exit) == (10, "code 1")


def test_a_server_that_was_steady_begins_anew() -> None:
    found = Restarts()
    for _ in range(5):
        found = found.ended("code 1", lived=0.0, now=0.0).started()
    assert found.ended("code 1", lived=STEADY, now=7.0).next_try == 7.0


def test_an_exit_is_told_with_its_signal() -> None:
    assert exit_text(-9) == "code -9 (SIGKILL)"
    assert exit_text(3) == "code 3"
    assert exit_text(-250) == "code -250"
    assert exit_text(None) == "it did not answer in time"
