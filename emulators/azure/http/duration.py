"""Durations as Azure writes them: ISO 8601, ``PT1M30.5S``."""

from __future__ import annotations

import re

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
    found = FORM.fullmatch(text)
    parts = found.groupdict() if found else {}
    if not any(parts.values()):
        raise ValueError(f"{text!r} is no ISO 8601 duration such as PT5S")
    return sum(float(value) * SECONDS[name] for name, value in parts.items() if value)
