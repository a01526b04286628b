"""What can go wrong with a measurement, in words that go into the table."""

from __future__ import annotations


class MeasuringError(Exception):
    """A figure could not be had; the message says why."""


class NotReadyError(MeasuringError):
    """A server did not come to a right answer in time."""


class MissingToolError(MeasuringError):
    """A program is missing; the message says what to install."""
