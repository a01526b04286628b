"""Terraform's own words about the modules, asked once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.terraform.module import Module, UnavailableError

Planned = Callable[..., Mapping[str, Any]]


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """Return a function that plans a cloud's module; its tests are skipped without Terraform."""

    @cache
    def module(cloud: str) -> Module:
        return Module.copied(cloud, Path(tmp_path_factory.mktemp("terraform")))

    def plan(cloud: str, **variables: str) -> Mapping[str, Any]:
        try:
            return module(cloud).plan(**variables)
        except UnavailableError as error:
            pytest.skip(str(error))

    return plan
