"""Text from outside as it may be shown: no control characters, no marks of direction.

Names, reasons, errors of clouds and lines of model servers reach terminals and logs. A control
character in them could rewrite what a person reads, or make a line of its own (CWE-117, CWE-150).
"""

from __future__ import annotations

import logging
import re

#: C0 and C1 control characters but the tabulator, marks and overrides of writing direction
#: (Unicode Standard Annex #9, 2), line and paragraph separators, and halves of surrogates.
UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def line(text: object) -> str:
    r"""Return a text on one line, with each unsafe character as its escape, e.g. ``\x1b``."""
    return UNSAFE.sub(lambda match: _escape(match[0]), str(text))


def lines(text: object) -> str:
    """Return a text as `line` does, but with its line feeds."""
    return "\n".join(map(line, str(text).replace("\r\n", "\n").split("\n")))


class Formatter(logging.Formatter):
    """Formats a record on one line, with any message, and a traceback below it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the record's line."""
        return line(super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802
        """Return the traceback."""
        return lines(super().formatException(ei))  # type: ignore[arg-type]


def log_to_stderr(level: int, form: str) -> None:
    """Let all loggers write to standard error, a line for each record."""
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter(form))
    logging.basicConfig(level=level, handlers=[handler])


def _escape(character: str) -> str:
    code = ord(character)
    named = {"\n": "\\n", "\r": "\\r"}.get(character)
    return named or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
