"""The emulated operations of SageMaker: botocore's model against moto's classes and ours."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from moto.core.utils import camelcase_to_underscores, get_service_model, method_names_from_class
from moto.sagemaker.models import SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse

from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.protocol.calls import RUNTIME
from tridock.emulators.aws.service import INSTALLERS
from tridock.emulators.coverage import Coverage
from tridock.emulators.place import Place


def count() -> Sequence[Coverage]:
    """Return the coverage of SageMaker's control plane and of its runtime.

    The parts are put into moto first, as when the emulator starts: call it in a process of its own.
    """
    with tempfile.TemporaryDirectory() as folder:
        cloud = Cloud.at(Place("aws", Path(folder)), "http://127.0.0.1")
        for install in INSTALLERS:
            install(cloud)
    return _runtime(), _control_plane()


def _runtime() -> Coverage:
    names = get_service_model("sagemaker-runtime").operation_names
    real = tuple(RUNTIME.values())
    return Coverage(
        "sagemaker-runtime", real, (), tuple(name for name in names if name not in real)
    )


def _control_plane() -> Coverage:
    names = tuple(get_service_model("sagemaker").operation_names)
    known = method_names_from_class(SageMakerResponse)
    answered = [name for name in names if camelcase_to_underscores(name) in known]
    real = tuple(name for name in answered if _is_ours(camelcase_to_underscores(name)))
    return Coverage(
        "sagemaker",
        real,
        tuple(name for name in answered if name not in real),
        tuple(name for name in names if name not in answered),
    )


def _is_ours(name: str) -> bool:
    """Return whether one of our functions replaces moto's, in the responses or the backend."""
    functions = (getattr(of, name, None) for of in (SageMakerResponse, SageMakerModelBackend))
    return any(
        getattr(function, "__module__", "").startswith("tridock.emulators.")
        for function in functions
    )
