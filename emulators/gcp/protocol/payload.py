"""A JSON request held against a message type, and refused in the words of Google's front end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tridock.emulators.gcp.protocol.errors import InvalidArgumentError

BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
#: Written in JSON by forms of their own (proto3 JSON mapping); the parser judges them.
OWN_FORM = "google.protobuf."

_INTEGERS = {"TYPE_INT32", "TYPE_INT64", "TYPE_UINT32", "TYPE_UINT64"}
_NUMBERS = {"TYPE_DOUBLE", "TYPE_FLOAT"}
_TYPE_NAMES = {
    number: name
    for name, number in vars(FieldDescriptor).items()
    if name.startswith("TYPE_") and isinstance(number, int)
}


@dataclass(frozen=True)
class Violation:
    """One thing that is wrong.

    Attributes
    ----------
    field : str
        Path to it, e.g. ``"endpoint.labels"``.
    words : str
        What Google's front end says.
    """

    field: str
    words: str


def refuse(broken: list[Violation]) -> None:
    """Raise if anything was found, everything named at once.

    Raises
    ------
    InvalidArgumentError
        With ``google.rpc.BadRequest`` as its detail.
    """
    if broken:
        violations = [{"field": v.field, "description": v.words} for v in broken]
        detail = {"@type": BAD_REQUEST, "fieldViolations": violations}
        raise InvalidArgumentError("\n".join(v.words for v in broken), [detail])


def check(descriptor: Descriptor, value: Any, path: str = "") -> Iterator[Violation]:
    """Yield what does not fit the message type `descriptor`: unknown names and wrong types."""
    if descriptor.full_name.startswith(OWN_FORM):
        return
    if not isinstance(value, Mapping):
        yield _wrong(path, f"type.googleapis.com/{descriptor.full_name}", value)
        return
    for name, item in value.items():
        field = field_of(descriptor, name)
        if field is None:
            words = f"Unknown name {json.dumps(name)}{_at(path)}: Cannot find field."
            yield Violation(path, f"Invalid JSON payload received. {words}")
        elif item is not None:
            yield from _check_field(field, item, f"{path}.{field.name}" if path else field.name)


def _check_field(field: FieldDescriptor, value: Any, path: str) -> Iterator[Violation]:
    if _is_map(field):
        yield from _check_map(field, value, path)
    elif field.is_repeated:
        if not isinstance(value, list):
            yield _wrong(path, _type_name(field), value)
            return
        for index, item in enumerate(value):
            yield from _check_one(field, item, f"{path}[{index}]")
    elif isinstance(value, list) and not _takes_lists(field):
        parent, _, name = path.rpartition(".")
        words = f'Unknown name "{name}"{_at(parent)}: '
        words += "Proto field is not repeating, cannot start list."
        yield Violation(parent, f"Invalid JSON payload received. {words}")
    else:
        yield from _check_one(field, value, path)


def _check_map(field: FieldDescriptor, value: Any, path: str) -> Iterator[Violation]:
    if not isinstance(value, Mapping):
        yield _wrong(path, _type_name(field), value)
        return
    inner = field.message_type.fields_by_name["value"]
    for index, item in enumerate(value.values()):
        yield from _check_one(inner, item, f"{path}[{index}].value")


def _check_one(field: FieldDescriptor, value: Any, path: str) -> Iterator[Violation]:
    if field.message_type:
        yield from check(field.message_type, value, path)
    elif not _fits(field, value):
        yield _wrong(path, _type_name(field), value)


def _fits(field: FieldDescriptor, value: Any) -> bool:
    if field.enum_type:
        number = isinstance(value, int) and not isinstance(value, bool)
        return number or value in field.enum_type.values_by_name
    kind = _TYPE_NAMES[field.type]
    if kind == "TYPE_BOOL":
        return isinstance(value, bool) or value in ("true", "false")
    if kind in _INTEGERS:
        return _is_whole(value)
    if kind in _NUMBERS:
        return _is_number(value)
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    if isinstance(value, str):
        return value.lstrip("-").isdecimal()
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return False
        return True
    return isinstance(value, int | float) and not isinstance(value, bool)


def field_of(descriptor: Descriptor, name: str) -> FieldDescriptor | None:
    """Return a message type's field, by its name in JSON or in proto."""
    return descriptor.fields_by_camelcase_name.get(name) or descriptor.fields_by_name.get(name)


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def _takes_lists(field: FieldDescriptor) -> bool:
    return bool(field.message_type and field.message_type.full_name.startswith(OWN_FORM))


def _type_name(field: FieldDescriptor) -> str:
    type_ = field.message_type or field.enum_type
    return f"type.googleapis.com/{type_.full_name}" if type_ else _TYPE_NAMES[field.type]


def _wrong(path: str, type_: str, value: Any) -> Violation:
    shown = json.dumps(value)
    return Violation(path, f"Invalid value at '{path}' ({type_}), {shown[:200]}")


def _at(path: str) -> str:
    return f" at '{path}'" if path else ""
