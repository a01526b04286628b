"""A user's own scoring script: checked early, in words, and run by Azure ML's contract."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import logging
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import orjson

from tridock.inference.errors import InvalidInputError, RequestError, ScoringError, ScriptError
from tridock.inference.script.raw_http import Request, install, is_response
from tridock.inference.script.run_arguments import Arguments, Form

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
            If it raises, or returns what JSON cannot hold. The traceback is logged, not told.
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
