"""A user's own scoring script: checked early, in words, and run by Azure ML's contract."""

from __future__ import annotations

import ast
import enum
import importlib.util
import inspect
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any
from urllib.parse import parse_qs

import orjson

from tridock.inference.codec.body import kind
from tridock.inference.errors import (
    InvalidInputError,
    RequestError,
    ScoringError,
    ScriptError,
    UnsupportedMediaTypeError,
)
from tridock.inference.script.raw_http import Request, install, is_raw, is_response

#: Where a script may stand in a bundle; Azure ML and SageMaker put it into ``code/``.
PLACES = ("score.py", "code/score.py")
#: The variable that leads a script to its model (Azure ML, «Author a scoring script»).
MODEL_DIRECTORY = "AZUREML_MODEL_DIR"
CONTRACT = "a scoring script has init() and run(data)"

#: A script that calls ``sys.exit`` has failed like one that raises.
FAILURES = (Exception, SystemExit)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Script:
    """A loaded scoring script whose ``init()`` has run.

    Attributes
    ----------
    path : Path
        The file.
    module : ModuleType
        What it defines.
    arguments : Arguments
        How its ``run()`` wants to be called.
    """

    path: Path
    module: ModuleType
    arguments: Arguments

    @classmethod
    def load(cls, path: Path, bundle: Path) -> Script:
        """Import a script and run its ``init()``.

        Its folder becomes importable, and ``AZUREML_MODEL_DIR`` leads to the bundle, as long as
        this process lives.

        Parameters
        ----------
        path : Path
            The script.
        bundle : Path
            Directory of the bundle.

        Raises
        ------
        ScriptError
            If it does not keep the contract, or raises; with the traceback of its own frames.
        """
        check(path)
        os.environ[MODEL_DIRECTORY] = str(bundle)
        # A __pycache__ beside it would be a file that the manifest does not list.
        sys.dont_write_bytecode = True
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        module = _imported(path)
        for name in ("init", "run"):
            _check_callable(path, getattr(module, name, None), name)
        script = cls(path, module, Arguments.of(module.run, path.name))
        script._call(module.init, "init()")
        return script

    def run(self, data: str | Request) -> Any:
        """Call the script's ``run()`` with what it wants of a request.

        Parameters
        ----------
        data : str or Request
            The request, or only its body as it came.

        Raises
        ------
        InvalidInputError
            If the request does not fit what the script declares by inference-schema.
        ScoringError
            If it raises, or returns what JSON cannot hold. The traceback is logged, not sent.
        """
        request = data if isinstance(data, Request) else Request(data.encode())
        arguments, named = self.arguments.read(request)
        try:
            answer = self.module.run(*arguments, **named)
        except RequestError:
            raise
        except FAILURES as error:
            if self.arguments.form is Form.MEMBERS and not _is_within(error, self.path):
                message = f"the input does not fit the schema of {self.path.name}: {error}"
                raise InvalidInputError(message) from error
            log.error("run() of %s failed:\n%s", self.path.name, _own_frames(error, self.path))
            raise ScoringError(
                f"run() of {self.path.name} raised {type(error).__name__}; the server's log has "
                "the traceback"
            ) from error
        _check_answer(self.path, answer)
        return answer

    def _call(self, function: Callable[[], object], name: str) -> None:
        try:
            function()
        except FAILURES as error:
            raise ScriptError(_raised(self.path, name, error)) from error


def check(path: Path) -> None:
    """Check, without executing it, that a file is a scoring script.

    Raises
    ------
    ScriptError
        If it is missing, does not parse (with its line), or defines no ``init`` or ``run``.
    """
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except OSError as error:
        raise ScriptError(f"{path} cannot be read: {error.strerror}") from error
    except SyntaxError as error:
        line = (error.text or "").strip()
        raise ScriptError(f"{path.name}, line {error.lineno}: {error.msg}: {line}") from error
    except ValueError as error:
        raise ScriptError(f"{path.name} is not Python source: {error}") from error
    bound = _bound(tree)
    missing = [name for name in ("init", "run") if name not in bound and "*" not in bound]
    if missing:
        raise ScriptError(f"{path.name} defines no {missing[0]}: {CONTRACT}")


def _bound(tree: ast.Module) -> set[str]:
    """Return every name the module may bind, nested ones too: a doubt is settled at load."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def _imported(path: Path) -> ModuleType:
    install()
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ScriptError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except FAILURES as error:
        raise ScriptError(_raised(path, "importing it", error)) from error
    return module


def _check_callable(path: Path, function: Any, name: str) -> None:
    if function is None:
        raise ScriptError(f"{path.name} defines no {name}: {CONTRACT}")
    if not callable(function):
        kind = type(function).__name__
        raise ScriptError(f"{name} in {path.name} is a {kind} and cannot be called: {CONTRACT}")
    if inspect.iscoroutinefunction(function):
        raise ScriptError(f"{name} in {path.name} is async: write it as a plain function")
    if name == "init":
        try:
            inspect.signature(function).bind()
        except TypeError as error:
            raise ScriptError(f"init in {path.name} must take no argument: {error}") from error


def _check_answer(path: Path, answer: object) -> None:
    if is_response(answer):
        return
    try:
        orjson.dumps(answer, option=orjson.OPT_NON_STR_KEYS)
    except TypeError as error:
        kind = type(answer).__name__
        raise ScoringError(
            f"run() of {path.name} returned a {kind} that JSON cannot hold ({error}): return "
            "lists, dicts, strings and numbers, e.g. array.tolist()"
        ) from error


def _raised(path: Path, what: str, error: BaseException) -> str:
    return f"{path.name}: {what} raised {type(error).__name__}: {error}\n{_own_frames(error, path)}"


def _is_within(error: BaseException, path: Path) -> bool:
    """Tell whether an error was raised below a line of the script's folder."""
    return _first_own(error, path) is not None


def _first_own(error: BaseException, path: Path) -> TracebackType | None:
    folder = f"{path.parent}{os.sep}"
    frame: TracebackType | None = error.__traceback__
    while frame and not frame.tb_frame.f_code.co_filename.startswith(folder):
        frame = frame.tb_next
    return frame


def _own_frames(error: BaseException, path: Path) -> str:
    """Format the traceback from the first frame of the script's folder on."""
    frame = _first_own(error, path)
    return "".join(traceback.format_exception(type(error), error, frame)).rstrip()


# What a script's ``run()`` is called with: the body's text, its JSON's members, or the request.

HEADERS = "request_headers"


class Form(enum.Enum):
    """Kind of the first argument."""

    TEXT = "the body as text"
    MEMBERS = "the members of a JSON object, by inference-schema's decorators"
    REQUEST = "the request itself, by @rawhttp"


@dataclass(frozen=True)
class Arguments:
    """Arguments that one ``run()`` takes.

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
        known = inspect.signature(run).parameters
        wants_headers = HEADERS in known
        parameters = {one.name: one.default for one in known.values() if one.name != HEADERS}
        form = _form(run, name)
        if not parameters:
            raise ScriptError(f"run in {name} must take one argument, the request's body")
        required = [one for one, default in parameters.items() if default is _NONE]
        if form is not Form.MEMBERS and len(required) > 1 and not _takes_many(known):
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


def _takes_many(parameters: Mapping[str, inspect.Parameter]) -> bool:
    return any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters.values())


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
        value = json.loads(request.body)
    except ValueError as error:
        raise InvalidInputError(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidInputError(f"expected a JSON object, got {kind(value)}")
    return value


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
