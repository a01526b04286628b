"""What every test starts from."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest


def pytest_configure() -> None:
    """Let the processes that tests start be interrupted, also where this one may not be.

    A shell that runs the suite in the background has it ignore Ctrl-C, and children inherit that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module", autouse=True)
def _same_environment_afterwards() -> Iterator[None]:
    """Leave no variable behind: an emulated cloud's would lead the next file's clients there."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
