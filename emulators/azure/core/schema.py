"""Requests held against Azure ML's own REST models, as azure-ai-ml ships them.

The package's constructors validate nothing; its annotations say enough: names on the wire, types,
enumerations, what is required, and which class a discriminator selects. The models are loaded from
their files, without the package around them: that would take seconds and a hundred megabytes.
"""

from __future__ import annotations

import datetime
import enum
import functools
import importlib
import importlib.util
import logging
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tridock.emulators.azure.http.errors import invalid

log = logging.getLogger(__name__)

#: Name under which the models are loaded, apart from what the process imports itself.
ALIAS = "_tridock_arm_ml_service"

#: What a value of each Python type is on the wire.
WIRE: dict[Any, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    float: (int, float),
    bool: (bool,),
    datetime.timedelta: (str,),
    datetime.datetime: (str,),
    bytes: (str,),
}

#: Where clients of the vendor send a number for a string: azure-ai-ml 1.35 in ``hash_version``.
TOLERATED = ("hash_version",)


def check(model: str, body: Any) -> None:
    """Let a request body through that fits a model of the service.

    Parameters
    ----------
    model : str
        Class name, e.g. ``"OnlineDeployment"``.
    body : object
        Decoded JSON.

    Raises
    ------
    AzureError
        400 with every fault in the body.
    """
    faults = list(faults_of(model, body))
    if faults:
        raise invalid(f"The request is invalid: {faults[0]}", *faults)


def faults_of(model: str, body: Any) -> Iterator[str]:
    """Find every fault of a request body, each with its place."""
    models = _models()
    if models is not None:
        yield from _object(getattr(models, model), body, "$")


@functools.cache
def _models() -> Any:
    """Load the models; None when this azure-ai-ml has none of that form."""
    for place in packages():
        folder = place / "ml" / "_restclient" / "arm_ml_service"
        if folder.is_dir():
            package = types.ModuleType(ALIAS)
            package.__path__ = [str(folder)]
            sys.modules[ALIAS] = package
            return importlib.import_module(f"{ALIAS}.models")
    log.warning("azure-ai-ml 1.35 or newer is not installed: request bodies are not validated")
    return None


def packages() -> list[Path]:
    """Return the folders that hold the vendor's packages."""
    try:
        spec = importlib.util.find_spec("azure.ai")
    except ModuleNotFoundError:
        return []
    return [Path(place) for place in (spec and spec.submodule_search_locations) or ()]


def _object(model: Any, value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at}: expected an object, got {type(value).__name__}"
        return
    fields = _fields(model)
    model = _subclass(model, fields, value)
    fields = _fields(model)
    for name in value:
        if name not in fields and name not in ("id", "name", "type", "systemData"):
            yield f"{at}.{name}: unknown property of {model.__name__}"
    for name, (annotation, field) in fields.items():
        if _is_read_only(field):
            continue
        if name in value:
            yield from _value(annotation, value[name], f"{at}.{name}")
        elif not _is_optional(annotation):
            yield f"{at}.{name}: required property of {model.__name__} is missing"


def _value(annotation: Any, value: Any, at: str) -> Iterator[str]:
    kind = _resolve(annotation)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or at.rpartition(".")[2] in TOLERATED:
        return
    if origin in (typing.Union, types.UnionType):
        yield from _union([_resolve(argument) for argument in arguments], value, at)
    elif origin is typing.Literal:
        yield from _choice(
            [getattr(argument, "value", argument) for argument in arguments], value, at
        )
    elif origin in (dict, list) or kind in (dict, list) or _is_mapping(origin):
        yield from _collection(origin or kind, arguments, value, at)
    elif _is_model(kind):
        yield from _object(kind, value, at)
    elif kind in WIRE and not _fits(kind, value):
        yield f"{at}: expected {kind.__name__}, got {type(value).__name__} {str(value)[:40]!r}"


def _union(kinds: list[Any], value: Any, at: str) -> Iterator[str]:
    if value is None:
        if type(None) not in kinds:
            yield f"{at}: null is not allowed"
        return
    names = [one.value for kind in kinds if _is_enum(kind) for one in kind]
    if names:
        yield from _choice(names, value, at)
        return
    tries = [list(_value(kind, value, at)) for kind in kinds if kind is not type(None)]
    yield from min(tries, key=len)


def _choice(names: list[Any], value: Any, at: str) -> Iterator[str]:
    # The service ignores case, and azure-ai-ml relies on it ("enabled", "aadToken", "info").
    if str(value).lower() not in {str(name).lower() for name in names}:
        yield f"{at}: {value!r} is not one of {', '.join(map(str, sorted(names)))}"


def _collection(origin: Any, arguments: tuple[Any, ...], value: Any, at: str) -> Iterator[str]:
    if origin is list:
        if not isinstance(value, list):
            yield f"{at}: expected an array, got {type(value).__name__}"
            return
        for position, item in enumerate(value):
            yield from _value(arguments[0], item, f"{at}[{position}]")
    elif not isinstance(value, dict):
        yield f"{at}: expected an object, got {type(value).__name__}"
    elif arguments:
        for name, item in value.items():
            yield from _value(arguments[1], item, f"{at}.{name}")


@functools.cache
def _fields(model: Any) -> dict[str, tuple[Any, Any]]:
    fields: dict[str, tuple[Any, Any]] = {}
    for kind in reversed(model.__mro__):
        for name, annotation in vars(kind).get("__annotations__", {}).items():
            field = vars(kind).get(name)
            if hasattr(field, "_visibility"):
                fields[getattr(field, "_rest_name_input", None) or name] = (annotation, field)
    return fields


def _subclass(model: Any, fields: dict[str, tuple[Any, Any]], value: dict[str, Any]) -> Any:
    known = getattr(model, "__mapping__", None) or {}
    chosen = [value.get(name) for name, (_, field) in fields.items() if field._is_discriminator]
    return next((known[name] for name in chosen if name in known), model)


def _resolve(annotation: Any) -> Any:
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    if not isinstance(annotation, str):
        return annotation
    names = {**vars(typing), **vars(sys.modules[f"{ALIAS}.models._models"])}
    names["_models"] = sys.modules[f"{ALIAS}.models"]
    return eval(annotation, names)  # noqa: S307 - the vendor's own source


def _is_mapping(origin: Any) -> bool:
    return getattr(origin, "__name__", "") == "Mapping"


def _is_model(kind: Any) -> bool:
    root = sys.modules[f"{ALIAS}._utils.model_base"].Model
    return isinstance(kind, type) and issubclass(kind, root)


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _is_optional(annotation: Any) -> bool:
    return type(None) in typing.get_args(_resolve(annotation))


def _is_read_only(field: Any) -> bool:
    return list(field._visibility or []) == ["read"]


def _fits(kind: Any, value: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, WIRE[kind])
