"""Validation of requests by the service's own model, with its messages.

The model is the one botocore brings: what AWS publishes of its API. The wording is the one AWS's
front ends use for every service ("1 validation error detected: Value …").
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.model import OperationNotFoundError, Shape
from moto.core.utils import get_service_model

from tridock.emulators.aws.protocol.errors import AwsError, ValidationError

#: Violations of a constraint, without "Member must".
Violations = Iterator[tuple[str, str]]

#: Name of a JSON value in the message for a value of the wrong kind.
_TOKENS: tuple[tuple[type, str], ...] = (
    (bool, "TRUE_VALUE"),
    (int, "NUMBER_VALUE"),
    (float, "DECIMAL_VALUE"),
    (str, "STRING_VALUE"),
)

_KINDS: Mapping[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float, str),
    "blob": (str,),
}

_JAVA = {"integer": "Integer", "long": "Long", "float": "Float", "double": "Double"}

#: Java's classes of characters, in Python's regular expressions.
_CLASSES = (
    ("\\p{L}", "\\w"),
    ("\\p{N}", "\\d"),
    ("\\p{Z}", "\\s"),
    ("\\p{Print}", "\\x20-\\x7e"),
    ("\\p{ASCII}", "[\\x00-\\x7f]"),
    ("\\z", "\\Z"),
)


class SerializationError(AwsError):
    """The body cannot be read as what the model says: 400."""

    def __init__(self, message: str) -> None:
        super().__init__("SerializationException", message, status=400)


def check_body(service: str, operation: str, body: bytes) -> None:
    """Check that `body` is a request that the service accepts.

    Unknown members are no violation: AWS's JSON protocol ignores them.

    Raises
    ------
    SerializationError
        If it is no JSON, or has another kind of value somewhere.
    ValidationError
        If it violates the model's constraints; all violations are named.
    """
    try:
        shape = get_service_model(service).operation_model(operation).input_shape
    except OperationNotFoundError:
        return
    try:
        values = json.loads(body or b"{}")
    except ValueError as error:
        raise SerializationError(f"Unexpected token in the request body: {error}") from error
    if shape is None:
        return
    check_kinds(shape, values)
    message = describe(shape, {} if values is None else values)
    if message:
        raise ValidationError(message)


def describe(shape: Shape, values: Any) -> str:
    """Return the violations in `values` in the service's words; empty if there are none."""
    violations = [
        f"{value} at '{path}' failed to satisfy constraint: {must}"
        for path, value, must in _violations(shape, values, "")
    ]
    return _counted(violations)


def describe_headers(service: str, operation: str, headers: Mapping[str, str]) -> str:
    """Return the violations in the headers of a REST call; empty if there are none.

    Parameters
    ----------
    headers : Mapping[str, str]
        By lower-case name.

    Raises
    ------
    SerializationError
        If the text of a number is none.
    """
    shape: Any = get_service_model(service).operation_model(operation).input_shape
    violations: list[str] = []
    for name, member in shape.members.items():
        value = headers.get(member.serialization.get("name", "").lower())
        if value and member.serialization.get("location") == "header":
            violations += [
                f"Value '{value}' at '{_lower(name)}' failed to satisfy constraint: {must}"
                for must in _own(member, _typed(member, value))
            ]
    return _counted(violations)


def check_kinds(shape: Shape, value: Any) -> None:
    """Check that every value is of the kind of its shape.

    Raises
    ------
    SerializationError
        At the first that is not.
    """
    if value is None:
        return
    _check_kind(shape, value)
    for member, inner in _inside(shape, value):
        check_kinds(member, inner)


def _check_kind(shape: Shape, value: Any) -> None:
    kinds = _KINDS[shape.type_name]
    if isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds):
        return
    if isinstance(value, dict | list):
        raise SerializationError("Start of structure or map found where not expected.")
    if dict in kinds or list in kinds:
        raise SerializationError("Unexpected field type")
    token = next(name for kind, name in _TOKENS if isinstance(value, kind))
    wanted = _JAVA.get(shape.type_name, shape.type_name.capitalize())
    raise SerializationError(f"{token} can not be converted to a {wanted}")


def _inside(shape: Any, value: Any) -> Iterator[tuple[Shape, Any]]:
    if shape.type_name == "structure":
        for name, inner in value.items():
            if name in shape.members:
                yield shape.members[name], inner
    elif shape.type_name == "list":
        for inner in value:
            yield shape.member, inner
    elif shape.type_name == "map":
        for inner in value.values():
            yield shape.value, inner


def _violations(shape: Any, value: Any, path: str) -> Iterator[tuple[str, str, str]]:
    """Yield path, the value as it is quoted, and what the member must."""
    if value is None:
        return
    for must in _own(shape, value):
        yield path, f"Value '{_quoted(value)}'", must
    if shape.type_name == "structure":
        yield from _structure(shape, value, path)
    elif shape.type_name == "list":
        for number, inner in enumerate(value, 1):
            yield from _violations(shape.member, inner, f"{path}.{number}.member")
    elif shape.type_name == "map":
        for name, inner in value.items():
            yield from _violations(shape.value, inner, f"{path}.{name}.member")


def _structure(shape: Any, value: Any, path: str) -> Iterator[tuple[str, str, str]]:
    at = f"{path}." if path else ""
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"{at}{_lower(name)}", "Value null", "Member must not be null"
    for name, inner in value.items():
        if name in shape.members:
            yield from _violations(shape.members[name], inner, f"{at}{_lower(name)}")


def _own(shape: Any, value: Any) -> Iterator[str]:
    """Yield the constraints of the shape itself that `value` violates."""
    limits: Mapping[str, Any] = shape.metadata
    kind = shape.type_name
    if kind == "string":
        yield from _text(limits, value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _range("value", limits, value)
    elif kind in ("list", "map"):
        yield from _range("length", limits, len(value))


def _text(limits: Mapping[str, Any], value: str) -> Iterator[str]:
    if limits.get("enum") and value not in limits["enum"]:
        yield f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]"
    yield from _range("length", limits, len(value))
    pattern = limits.get("pattern")
    if pattern and not _matcher(pattern)(value):
        yield f"Member must satisfy regular expression pattern: ^{pattern.removeprefix('^')}"


def _range(what: str, limits: Mapping[str, Any], size: float) -> Iterator[str]:
    if "max" in limits and size > limits["max"]:
        yield f"Member must have {what} less than or equal to {limits['max']}"
    if "min" in limits and size < limits["min"]:
        yield f"Member must have {what} greater than or equal to {limits['min']}"


@functools.cache
def _matcher(pattern: str) -> Callable[[str], object]:
    """Translate a pattern of the model from Java; one that Python cannot read allows everything."""
    for java, python in _CLASSES:
        pattern = pattern.replace(java, python)
    try:
        return re.compile(pattern).fullmatch
    except re.error:
        return lambda _: True


def _counted(violations: list[str]) -> str:
    several = "s" if len(violations) > 1 else ""
    count = f"{len(violations)} validation error{several} detected: " if violations else ""
    return count + "; ".join(violations)


def _typed(shape: Shape, value: str) -> str | int:
    """Return a header's text as the type of its shape."""
    if shape.type_name != "integer":
        return value
    if not re.fullmatch(r"-?\d{1,18}", value, re.ASCII):
        raise SerializationError("STRING_VALUE can not be converted to a Integer")
    return int(value)


def _quoted(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]
