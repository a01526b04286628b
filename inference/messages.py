"""Messages between the HTTP side and the scoring side: one call in, one reply out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """One request for predictions, read to its end.

    Attributes
    ----------
    headers : Mapping[str, str]
        By lower-case name.
    body : bytes
        As it came, still zipped if it was.
    limit : int
        The longest body that is accepted after unzipping, in bytes.
    probabilities : bool
        Whether the query string requests them.
    accept : str
        What to answer with where the caller has no preference; empty: in kind.
    method, path, query : str
        Of the request line.
    """

    headers: Mapping[str, str]
    body: bytes
    limit: int
    probabilities: bool = False
    accept: str = ""
    method: str = "POST"
    path: str = ""
    query: str = ""


@dataclass(frozen=True)
class Reply:
    """One answer, ready to be sent.

    Attributes
    ----------
    body : bytes
        The encoded answer.
    media : str
        Its content type.
    status : int
        HTTP status.
    headers : Mapping[str, str]
        Beside content type and length.
    rows : int
        How many rows were predicted.
    """

    body: bytes
    media: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0


@dataclass(frozen=True)
class PredictionRequest:
    """Rows to predict, and the function that writes the answer.

    Attributes
    ----------
    rows : object
        Rows in a form that `Signature.rows` takes, not yet checked.
    probabilities : bool
        Whether each prediction comes with its classes' probabilities.
    write : callable
        Makes the reply of the predictions, one JSON-ready value for each row.
    """

    rows: Any
    probabilities: bool
    write: Callable[[list[Any]], Reply]


@dataclass(slots=True)
class RequestRecord:
    """Facts about a request for logs and metrics, filled in on its way.

    Attributes
    ----------
    method : str
        HTTP method.
    request_id : str
        The caller's own, or one given here.
    route : str
        The route's template, never the path as sent: there are few routes and endless paths.
    status : int
        HTTP status of the answer; 499 where the caller left before it.
    rows, bytes_in, bytes_out : int
        Rows predicted; sizes of the two bodies.
    error : str
        What kind of error was answered, if any.
    """

    method: str
    request_id: str
    route: str = "(none)"
    status: int = 499
    rows: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    error: str = ""
