"""The API's description, made of the model's own signature: what /docs shows."""

from __future__ import annotations

from tridock.inference.web.openapi.document import document

__all__ = ["document"]
