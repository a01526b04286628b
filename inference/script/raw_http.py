"""A request as a scoring script sees it, and the response it may make: Azure ML's raw HTTP.

Scripts import these from the vendor's packages; where those are not installed, `install` puts ours
in their place. Source: azureml-inference-server-http, ``api/aml_request.py`` and
``api/aml_response.py``; the request's attributes are those of Flask that scripts use.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar
from urllib.parse import parse_qs

Run = TypeVar("Run", bound=Callable[..., Any])

#: Where scripts import them from: the vendor's package of today and that of before.
PACKAGES = ("azureml_inference_server_http.api", "azureml.contrib.services")
MARK = "_tridock_rawhttp"


class Headers(dict[str, str]):
    """Headers by name, in any case; listed as they came."""

    def __getitem__(self, name: str) -> str:
        return next(value for key, value in self._named(name))

    def __contains__(self, name: object) -> bool:
        return any(True for _ in self._named(str(name)))

    def get(self, name: str, default: Any = None) -> Any:
        """Return the header's value, or `default`."""
        return next((value for _, value in self._named(name)), default)

    def _named(self, name: str) -> list[tuple[str, str]]:
        return [(key, value) for key, value in self.items() if key.lower() == name.lower()]


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes
    ----------
    body : bytes
        As it came, unzipped.
    headers : Headers
        Of the request.
    method, path, query_string : str
        Of the request line.
    """

    body: bytes
    headers: Headers = field(default_factory=Headers)
    method: str = "POST"
    path: str = "/score"
    query_string: str = ""

    @property
    def data(self) -> bytes:
        """The body; unlike Flask's, of a form too."""
        return self.body

    @property
    def args(self) -> dict[str, str]:
        """The query string's values, the first of each name."""
        return _first(self.query_string)

    @property
    def form(self) -> dict[str, str]:
        """The values of a URL-encoded form."""
        is_form = self.mimetype == "application/x-www-form-urlencoded"
        return _first(self.body.decode()) if is_form else {}

    @property
    def content_type(self) -> str:
        """Content type with its parameters."""
        return str(self.headers.get("content-type", ""))

    @property
    def mimetype(self) -> str:
        """Content type without parameters."""
        return self.content_type.partition(";")[0].strip().lower()

    @property
    def is_json(self) -> bool:
        """True if the content type is JSON."""
        return self.mimetype == "application/json" or self.mimetype.endswith("+json")

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        return self.get_json()

    def get_json(self, force: bool = False, silent: bool = False) -> Any:
        """Return the body read as JSON; None if it is none and `silent`."""
        if not (self.is_json or force):
            return None
        try:
            return json.loads(self.body)
        except ValueError:
            if silent:
                return None
            raise

    def get_data(self, as_text: bool = False) -> bytes | str:
        """Return the body, decoded if `as_text`."""
        return self.body.decode() if as_text else self.body


class AMLResponse:
    """Answer of a script that sets status and headers itself.

    Parameters
    ----------
    message : object
        The body: bytes, text, or with `json_str` anything that JSON can hold.
    status_code : int
        HTTP status.
    response_headers : Mapping[str, str], optional
        Headers; their content type replaces ours.
    json_str : bool
        Whether `message` is to be written as JSON.
    run_function_failed : bool
        Value of ``x-ms-run-function-failed``.
    """

    def __init__(
        self,
        message: Any,
        status_code: int,
        response_headers: Mapping[str, str] | None = None,
        json_str: bool = False,
        run_function_failed: bool = False,
    ) -> None:
        as_json = json_str or message is None
        self.status_code = status_code
        self._body = _bytes(json.dumps({} if message is None else message) if as_json else message)
        kind = "application/json" if as_json else "text/html; charset=utf-8"
        failed = {"x-ms-run-function-failed": str(run_function_failed)}
        given = {name.title(): value for name, value in (response_headers or {}).items()}
        self.headers = Headers({"Content-Type": kind, **failed, **given})

    def get_data(self) -> bytes:
        """Return the body."""
        return self._body


def is_response(value: Any) -> bool:
    """Tell whether a script's answer is a response: ours, the vendor's, or Flask's."""
    return all(hasattr(value, name) for name in ("get_data", "status_code", "headers"))


def rawhttp(run: Run) -> Run:
    """Mark a script's `run`: it wants the request itself."""
    setattr(run, MARK, True)
    return run


def is_raw(run: Callable[..., Any]) -> bool:
    """Tell whether `run` wants the request: marked by our decorator, or by the vendor's."""
    vendor = sys.modules.get(f"{PACKAGES[0]}.aml_request")
    return getattr(run, MARK, False) or bool(getattr(vendor, "_rawHttpRequested", False))


def install() -> None:
    """Let scripts import the vendor's names where its packages are not installed."""
    for package in PACKAGES:
        if not _is_installed(package):
            _put(f"{package}.aml_request", {"rawhttp": rawhttp, "AMLRequest": Request})
            _put(f"{package}.aml_response", {"AMLResponse": AMLResponse})


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ModuleNotFoundError, ValueError):  # of its parent; of a module that we put there
        return False


def _put(name: str, content: Mapping[str, Any]) -> None:
    """Make a module and the packages above it, as far as they are not there."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        path = ".".join(parts[:end])
        module = sys.modules.setdefault(path, ModuleType(path))
        if end < len(parts) and not hasattr(module, "__path__"):
            module.__path__ = []
        if end > 1:
            setattr(sys.modules[".".join(parts[: end - 1])], parts[end - 1], module)
    vars(sys.modules[name]).update(content)


def _first(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}


def _bytes(body: bytes | str) -> bytes:
    return body if isinstance(body, bytes) else str(body).encode()
