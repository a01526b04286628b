"""The API's description, made of the model's own signature."""

from __future__ import annotations

from typing import Any

from inference.manifest import Manifest


def document(manifest: Manifest, version: str) -> dict[str, Any]:
    """Describe the API."""
    return {
        "openapi": "3.1.0",
        "info": {"title": manifest.name, "version": manifest.version},
        "paths": {},
    }
