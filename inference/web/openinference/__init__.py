"""The Open Inference Protocol, version 2, as KServe, Triton and MLServer speak it.

Sources: Open Inference Protocol, «HTTP/REST» («Inference», «Model Metadata», «Health») and
Triton's «Binary Tensor Data Extension» and «Model Repository Extension».
"""

from __future__ import annotations

from tridock.inference.web.openinference.answering import (
    JSON_LENGTH,
    is_request,
    read_call,
    read_value,
)
from tridock.inference.web.openinference.metadata import (
    MODEL_PATHS,
    UnknownModelError,
    check_model,
    example,
    index,
    model_metadata,
    model_ready,
    server_metadata,
)

__all__ = [
    "JSON_LENGTH",
    "MODEL_PATHS",
    "UnknownModelError",
    "check_model",
    "example",
    "index",
    "is_request",
    "model_metadata",
    "model_ready",
    "read_call",
    "read_value",
    "server_metadata",
]
