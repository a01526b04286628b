"""Errors of the emulators' own command line.

* EmulatorError
  * StartError
  * MissingPackageError
  * NotRunningError
  * CommandError
  * PlanError
  * CoverageError

The errors that an emulated cloud answers to its clients are in each cloud's folder.
"""

from __future__ import annotations


class EmulatorError(Exception):
    """Root: the command line prints its message without a traceback and exits with `exit_code`."""

    exit_code = 1


class StartError(EmulatorError):
    """An emulator did not come up; the message ends with the last lines of its log."""


class MissingPackageError(EmulatorError):
    """A package that an emulator is built on is not installed."""

    exit_code = 2


class NotRunningError(EmulatorError):
    """The requested emulator is not up; the message says how to start it."""


class CommandError(EmulatorError):
    """The command that `run` was given cannot be started."""

    exit_code = 2


class PlanError(EmulatorError):
    """The plan of faults cannot be read; the message says why."""

    exit_code = 2


class CoverageError(EmulatorError):
    """The emulated operations cannot be listed; the message says why."""
