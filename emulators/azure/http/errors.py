"""Error answers of the emulated Azure, with the service's own codes.

* AzureError: answered as ``{"error": {"code", "message", "details"}}`` with its status

Source: Azure Resource Manager, "Common deployment errors", and the Azure ML documentation page
"Troubleshoot online endpoints deployment and scoring".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class AzureError(Exception):
    """A refusal, as the service words it.

    Attributes
    ----------
    status : int
        HTTP status.
    code : str
        The service's name of the error, e.g. ``"ResourceNotFound"``.
    message : str
        What is wrong and what to do.
    details : Sequence[str]
        Single faults, when there are several.
    headers : Mapping[str, str]
        Headers of the answer.
    """

    status: int
    code: str
    message: str
    details: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def as_json(self) -> dict[str, Any]:
        """Return the error object as operations and answers carry it."""
        content: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details:
            content["details"] = [{"code": self.code, "message": detail} for detail in self.details]
        return content


def invalid(message: str, *details: str) -> AzureError:
    """Make the refusal of a request that the caller has to change."""
    return AzureError(400, "UserError", message, details)


def missing(identifier: str) -> AzureError:
    """Make the refusal of a resource that is not there."""
    return AzureError(404, "ResourceNotFound", f"The resource '{identifier}' was not found.")


def conflict(message: str) -> AzureError:
    """Make the refusal of a change that has to wait for another one."""
    return AzureError(409, "Conflict", message)


def not_emulated(what: str) -> AzureError:
    """Make the answer to an operation that exists at Azure and not here."""
    message = f"{what} is not emulated; docs/emulators.md lists what is."
    return AzureError(501, "NotImplemented", message)


# Durations as Azure writes them: ISO 8601, ``PT1M30.5S``.

FORM = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>[\d.]+)S)?)?"
)
SECONDS = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}


def seconds(text: str | None, default: float) -> float:
    """Return a duration in seconds, or `default` for None.

    Raises
    ------
    ValueError
        If `text` is no duration.
    """
    if text is None:
        return default
    match = FORM.fullmatch(text)
    parts = match.groupdict() if match else {}
    if not any(parts.values()):
        raise ValueError(f"{text!r} is no ISO 8601 duration such as PT5S")
    return sum(float(value) * SECONDS[name] for name, value in parts.items() if value)
