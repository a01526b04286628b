"""Which operations of Azure ML are emulated: those that azure-ai-ml's REST client has, counted."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from tridock.emulators.azure.core import schema
from tridock.emulators.coverage import Coverage

VERSIONED = ("create_or_update", "delete", "get", "list")
SLOW = ("begin_create_or_update", "begin_delete", "begin_update", "get", "list")

#: What does here what it does there, by the client's class.
REAL = {
    "CodeVersions": (*VERSIONED, "create_or_get_start_pending_upload"),
    "DataVersions": VERSIONED,
    "EnvironmentVersions": VERSIONED,
    "ModelVersions": VERSIONED,
    "CodeContainers": ("get", "list"),
    "DataContainers": ("get", "list"),
    "EnvironmentContainers": ("get", "list"),
    "ModelContainers": ("get", "list"),
    "BatchEndpoints": SLOW,
    "BatchDeployments": SLOW,
    "OnlineEndpoints": (*SLOW, "begin_regenerate_keys", "get_token", "list_keys"),
    "OnlineDeployments": (*SLOW, "get_logs"),
    "Datastores": ("get", "list", "list_secrets"),
    "Jobs": ("begin_cancel", "get", "list"),
}

#: What is kept and answered with, and nothing happens behind it.
STORED = {
    "Workspaces": (
        "begin_create_or_update",
        "begin_delete",
        "begin_update",
        "get",
        "list_by_resource_group",
        "list_by_subscription",
    ),
    "CodeContainers": ("create_or_update", "delete"),
    "DataContainers": ("create_or_update", "delete"),
    "EnvironmentContainers": ("create_or_update", "delete"),
    "ModelContainers": ("create_or_update", "delete"),
    "Datastores": ("create_or_update", "delete"),
    "Compute": ("begin_create_or_update", "begin_delete", "begin_update", "get", "list"),
}


def count() -> Sequence[Coverage]:
    """Return the coverage of Azure ML's control plane."""
    known = _operations()
    real, stored = _names(REAL), _names(STORED)
    missing = tuple(name for name in known if name not in {*real, *stored})
    return (Coverage("azure-ai-ml", real, stored, missing),)


def _names(table: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted(f"{kind}.{name}" for kind, names in table.items() for name in names))


def _operations() -> list[str]:
    """Read the client's operations off its source, without importing all of it."""
    for place in schema.packages():
        source = place / "ml/_restclient/arm_ml_service/operations/_operations.py"
        if source.is_file():
            classes = ast.parse(source.read_text()).body
            defined = [one for one in classes if isinstance(one, ast.ClassDef)]
            return sorted(name for one in defined for name in _methods(one))
    return []


def _methods(defined: ast.ClassDef) -> list[str]:
    """Name the operations of one class: public methods, of classes that are no mix-ins."""
    kind = defined.name.removesuffix("Operations")
    if kind in ("", defined.name):
        return []
    methods = [one.name for one in defined.body if isinstance(one, ast.FunctionDef)]
    return [f"{kind}.{name}" for name in dict.fromkeys(methods) if not name.startswith("_")]
