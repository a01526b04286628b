"""What a script's ``run()`` is called with: the body's text, its JSON's members, or the request.

Source: azureml-inference-server-http, ``server/user_script.py`` and ``server/input_parsers.py``.
"""

from __future__ import annotations

import enum
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from tridock.inference.codec.jsontext import kind
from tridock.inference.errors import InvalidInputError, ScriptError, UnsupportedMediaTypeError
from tridock.inference.script.raw_http import Request, is_raw

HEADERS = "request_headers"


class Form(enum.Enum):
    """What the first argument is."""

    TEXT = "the body as text"
    MEMBERS = "the members of a JSON object, by inference-schema's decorators"
    REQUEST = "the request itself, by @rawhttp"


@dataclass(frozen=True)
class Arguments:
    """How one ``run()`` wants to be called.

    Attributes
    ----------
    form : Form
        What it takes.
    parameters : Mapping[str, object]
        Names and defaults, ``inspect.Parameter.empty`` for none, of all but the headers.
    wants_headers : bool
        Whether it has a parameter ``request_headers``.
    """

    form: Form
    parameters: Mapping[str, Any]
    wants_headers: bool = False

    @classmethod
    def of(cls, run: Callable[..., Any], name: str) -> Arguments:
        """Find out how `run` wants to be called.

        Parameters
        ----------
        name : str
            The script's, for messages.

        Raises
        ------
        ScriptError
            If no request fits its parameters.
        """
        found = inspect.signature(run).parameters
        wants_headers = HEADERS in found
        parameters = {one.name: one.default for one in found.values() if one.name != HEADERS}
        form = _form(run, name)
        if not parameters:
            raise ScriptError(f"run in {name} must take one argument, the request's body")
        required = [one for one, default in parameters.items() if default is _NONE]
        if form is not Form.MEMBERS and len(required) > 1 and not _takes_many(found):
            text = f"run in {name} must take one argument, the request's body"
            raise ScriptError(f"{text}, not {len(required)}: {', '.join(required)}")
        return cls(form, parameters, wants_headers)

    def read(self, request: Request) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the positional and the named arguments for a request.

        Raises
        ------
        InvalidInputError
            If the body is no UTF-8, no JSON object, or lacks a member.
        UnsupportedMediaTypeError
            If JSON is wanted and something else came.
        """
        headers = {HEADERS: dict(request.headers)} if self.wants_headers else {}
        if self.form is Form.REQUEST:
            return (request,), headers
        if self.form is Form.TEXT:
            return (_text(request),), headers
        return (), {**self._members(request), **headers}

    def _members(self, request: Request) -> dict[str, Any]:
        body = _query(request) if request.method == "GET" else _object(request)
        wanted = {one: body.get(one, default) for one, default in self.parameters.items()}
        missing = [one for one, value in wanted.items() if value is _NONE]
        if missing:
            names = ", ".join(self.parameters)
            raise InvalidInputError(f"the JSON object lacks {missing[0]!r}: it must have {names}")
        return wanted


_NONE = inspect.Parameter.empty


def _form(run: Callable[..., Any], name: str) -> Form:
    decorated = _is_decorated(run)
    if is_raw(run):
        if decorated:
            raise ScriptError(f"run in {name} has both @rawhttp and @input_schema: choose one")
        return Form.REQUEST
    return Form.MEMBERS if decorated else Form.TEXT


def _is_decorated(run: Callable[..., Any]) -> bool:
    """Tell whether inference-schema, which only the script can have imported, decorates `run`."""
    schema = sys.modules.get("inference_schema.schema_util")
    return bool(schema and schema.is_schema_decorated(run))


def _takes_many(found: Mapping[str, inspect.Parameter]) -> bool:
    return any(one.kind is one.VAR_POSITIONAL for one in found.values())


def _text(request: Request) -> str:
    if request.method == "GET":
        return json.dumps(_query(request))
    try:
        return request.body.decode()
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"the body is not UTF-8: {error}") from error


def _object(request: Request) -> dict[str, Any]:
    if not request.is_json:
        came = request.content_type or "nothing"
        raise UnsupportedMediaTypeError(f"Content-Type is {came}: send application/json")
    try:
        found = json.loads(request.body)
    except ValueError as error:
        raise InvalidInputError(f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidInputError(f"expected a JSON object, got {kind(found)}")
    return found


def _query(request: Request) -> dict[str, Any]:
    """Read a query string as members: each value as JSON if it is some, several as a list."""
    values = parse_qs(request.query_string, keep_blank_values=True)
    read = {name: [_value(one) for one in several] for name, several in values.items()}
    return {name: several[0] if len(several) == 1 else several for name, several in read.items()}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
