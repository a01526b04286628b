"""Package a model once and release it to SageMaker, Vertex AI and Azure ML.

The public names, which docs/python.md shows at work, are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tridock.deploy.api import Account, delete, invoke, release, rollback, status
    from tridock.deploy.target.errors import DeployError
    from tridock.deploy.target.records import Deployment, Endpoint
    from tridock.inference.bundle.bundle import Bundle
    from tridock.inference.errors import InferenceError
    from tridock.inference.packaging.package import About, package
    from tridock.inference.process.local_server import LocalServer, serve

__all__ = [
    "About",
    "Account",
    "Bundle",
    "DeployError",
    "Deployment",
    "Endpoint",
    "InferenceError",
    "LocalServer",
    "delete",
    "invoke",
    "package",
    "release",
    "rollback",
    "serve",
    "status",
]

#: Each public name: the module that defines it.
_MODULES = {
    "About": "inference.packaging.package",
    "Account": "deploy.api",
    "Bundle": "inference.bundle.bundle",
    "DeployError": "deploy.target.errors",
    "Deployment": "deploy.target.records",
    "Endpoint": "deploy.target.records",
    "InferenceError": "inference.errors",
    "LocalServer": "inference.process.local_server",
    "delete": "deploy.api",
    "invoke": "deploy.api",
    "package": "inference.packaging.package",
    "release": "deploy.api",
    "rollback": "deploy.api",
    "serve": "inference.process.local_server",
    "status": "deploy.api",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'tridock' has no attribute {name!r}")
    try:
        value: object = getattr(import_module(f"tridock.{_MODULES[name]}"), name)
    except ModuleNotFoundError as error:
        from tridock.inference.extras import advice

        raise ImportError(advice(error)) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
