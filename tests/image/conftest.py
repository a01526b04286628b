"""What the tests of images need: an engine, and the images."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from tridock.inference.image import build
from tridock.inference.image.engine import AbsentImageError, EngineError, demand, inspect

VARIANTS = ("onnx", "sklearn")


@pytest.fixture(scope="session", autouse=True)
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the images that are not there; return the folder of their reports."""
    try:
        demand()
    except EngineError as error:
        pytest.skip(str(error))
    to = Path("build/image")
    missing = [each for each in VARIANTS if not _is_here(each) or not (to / each).exists()]
    options = argparse.Namespace(
        variant=missing, base=None, run_as=None, bundle=None, to=to, audit=None
    )
    assert not missing or build.main(options) == 0
    return to


def _is_here(variant: str) -> bool:
    try:
        return bool(inspect(f"tridock:{variant}"))
    except AbsentImageError:
        return False
