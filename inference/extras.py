"""The extras of the package `tridock`, by the modules that each one brings."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

#: Top-level module to the extra of `pyproject.toml` that installs it.
EXTRAS = {
    "azure": "azure",
    "boto3": "aws",
    "botocore": "aws",
    "certifi": "emulators",
    "cryptography": "emulators",
    "flask": "emulators",
    "flask_cors": "emulators",
    "google": "gcp",
    "google_crc32c": "gcp",
    "grpc": "gcp",
    "joblib": "sklearn",
    "moto": "emulators",
    "onnx": "sklearn",
    "onnxmltools": "sklearn",
    "pandas": "sklearn",
    "pyarrow": "batch",
    "ray": "ray",
    "requests": "gcp",
    "scipy": "sklearn",
    "skl2onnx": "sklearn",
    "sklearn": "sklearn",
    "skops": "sklearn",
    "threadpoolctl": "sklearn",
}


def advice(error: ModuleNotFoundError) -> str:
    """Return a message that names the missing package and the command that installs it.

    Raises
    ------
    ModuleNotFoundError
        The error itself, if the missing module is one of ours.
    """
    name = error.name or ""
    top = name.partition(".")[0]
    if top == "tridock":
        raise error
    return f"the package {name!r} is not installed: {command([top])}"


def command(modules: Iterable[str]) -> str:
    """Return the command that installs these top-level modules."""
    wanted = list(modules)
    extras = sorted({EXTRAS[module] for module in wanted if module in EXTRAS})
    if not extras:
        return f"pip install {' '.join(wanted)}"
    return f"pip install 'tridock[{','.join(extras)}]'"


def missing(modules: Iterable[str]) -> list[str]:
    """Return those of these top-level modules that are not installed."""
    return [module for module in modules if find_spec(module) is None]
