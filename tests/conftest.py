"""What every test starts from."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module

import pytest

#: What the emulated clouds listen on where they can.
EMULATORS_PORTS = (*range(4586, 4591), 8443, 8450, 8451)
#: Files that take more than half a minute, or folders of them, longest first.
LONGEST = (
    "tests/deploy/test_gcp.py",
    "tests/deploy/test_aws",
    "tests/contract/",
    "tests/emulators/aws/test_persistence.py",
    "tests/emulators/azure/test_service.py",
    "tests/deploy/test_commandline.py",
    "tests/deploy/test_azure.py",
    "tests/inference/test_own_code.py",
    "tests/emulators/",
    "tests/deploy/",
)


#: Held while the tests run, so that no emulator has a port that another one takes while it is down.
_held: list[socket.socket] = []


def pytest_configure(config: pytest.Config) -> None:
    """Let the processes that tests start be interrupted, also where this one may not be.

    A shell that runs the suite in the background has it ignore Ctrl-C, and children inherit that.
    No example of a property has a deadline: a busy machine would decide.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with suppress(ModuleNotFoundError):  # Ray's environment has none
        hypothesis = import_module("hypothesis")
        hypothesis.settings.register_profile("unhurried", deadline=None)
        hypothesis.settings.load_profile("unhurried")
    if not hasattr(config, "workerinput"):
        _hold(EMULATORS_PORTS)


def pytest_unconfigure() -> None:
    """Free the held ports."""
    while _held:
        _held.pop().close()


def _hold(ports: Sequence[int]) -> None:
    for port in ports:
        with suppress(OSError):  # an emulator of this machine's user has it: just as good
            _held.append(socket.create_server(("127.0.0.1", port)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, or a worker would be left alone with one of them."""
    items.sort(key=_turn)  # it keeps the order of equal ones


def _turn(item: pytest.Item) -> int:
    found = (number for number, part in enumerate(LONGEST) if part in item.nodeid)
    return next(found, len(LONGEST))


@pytest.fixture(scope="module", autouse=True)
def _same_environment_afterwards() -> Iterator[None]:
    """Leave no variable behind: an emulated cloud's would lead the next file's clients there."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
