"""Bundles that the tests of the deployers share: read-only, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy import bundles
from tridock.inference.bundle.bundle import Bundle


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="session")
def v1(folder: Path) -> Bundle:
    return bundles.good(folder / "v1", "1")


@pytest.fixture(scope="session")
def v2(folder: Path) -> Bundle:
    return bundles.good(folder / "v2", "2")


@pytest.fixture(scope="session")
def v3(folder: Path) -> Bundle:
    return bundles.good(folder / "v3", "3")
