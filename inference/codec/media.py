"""Content types: what a body is, and what its answer shall be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from tridock.inference.errors import NotAcceptableError, UnsupportedMediaTypeError


class Form(Enum):
    """A way to write rows down."""

    JSON = "JSON"
    CSV = "CSV"
    LINES = "JSON Lines"
    ARRAY = "NumPy array"
    TEXT = "plain text"


#: The content types that are written, the preferred first.
OFFERED = {
    "application/json": Form.JSON,
    "text/csv": Form.CSV,
    "application/jsonlines": Form.LINES,
    "application/x-ndjson": Form.LINES,
    "application/x-npy": Form.ARRAY,
}
#: Other names under which the same forms are read.
ALIASES = {
    "text/json": Form.JSON,
    "application/csv": Form.CSV,
    "application/x-jsonlines": Form.LINES,
    "application/jsonl": Form.LINES,
    "application/ndjson": Form.LINES,
    "text/plain": Form.TEXT,
}
#: What clients send when no type was set: nothing, botocore's default for bytes, and
#: curl's for `-d`. Then the first character decides.
UNSTATED = ("", "application/octet-stream", "application/x-www-form-urlencoded")


@dataclass(frozen=True)
class Media:
    """A content type taken apart.

    Attributes
    ----------
    name : str
        Lower case, without parameters, such as ``"text/csv"``.
    parameters : dict
        By lower-case name.
    """

    name: str
    parameters: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Media:
        """Read a header such as ``text/csv; charset=utf-8; header=present``."""
        name, *rest = text.split(";")
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}
        return cls(name.strip().lower(), parameters)


def form_of(media: Media, body: bytes) -> Form:
    """Tell in which form a body is written.

    Raises
    ------
    UnsupportedMediaTypeError
        If it is none that is read; the message lists those that are.
    """
    form = OFFERED.get(media.name) or ALIASES.get(media.name)
    if form and form is not Form.TEXT:
        return form
    if media.name.startswith("application/") and media.name.endswith("+json"):
        return Form.JSON
    if (form or media.name in UNSTATED) and _looks_like_json(body):
        return Form.JSON
    if form:
        return form
    came = f"content type {media.name!r} is not read" if media.name else "no content type came"
    raise UnsupportedMediaTypeError(f"{came}: send one of {', '.join(OFFERED)}")


def answer_type(accept: str, kind: str) -> str:
    """Choose the answer's content type.

    Parameters
    ----------
    accept : str
        The Accept header; empty means anything will do.
    kind : str
        The content type that answers the request in kind, preferred where it is as welcome as
        others.

    Raises
    ------
    NotAcceptableError
        If nothing that is offered is accepted; the message lists what is offered.
    """
    if not accept or accept == "*/*":
        return kind
    wanted = list(_ranges(accept))
    ranked = [(*_welcome(name, wanted), name == kind, name) for name in OFFERED]
    quality, _, _, best = max(ranked, key=lambda each: each[:3])
    if quality <= 0:
        raise NotAcceptableError(f"cannot answer with {accept[:100]!r}: {_offer()}")
    return best


def written_form(name: str) -> Form:
    """Return the form behind one of the content types that are written."""
    return OFFERED[name]


def _offer() -> str:
    return f"this server answers with {', '.join(OFFERED)}"


def _looks_like_json(body: bytes) -> bool:
    return body.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")[:1] in (b"{", b"[")


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """Yield each media range with its quality, of RFC 9110 «12.5.1. Accept»."""
    for part in accept.split(","):
        media = Media.parse(part)
        if media.name:
            yield media.name, _quality(media.parameters.get("q", "1"))


def _quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 1.0


def _welcome(name: str, wanted: list[tuple[str, float]]) -> tuple[float, int]:
    """Return the quality of the most specific range that holds `name`, and how specific it is."""
    steps = (name, name.partition("/")[0] + "/*", "*/*")
    for specific, step in zip((2, 1, 0), steps, strict=True):
        qualities = [quality for media, quality in wanted if media == step]
        if qualities:
            return max(qualities), specific
    return 0.0, 0
