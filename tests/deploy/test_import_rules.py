from __future__ import annotations

import tomllib
from pathlib import Path

from tridock.deploy import registry

ROOT = Path(__file__).resolve().parents[2]


def _contract(words: str) -> dict[str, list[str]]:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (found,) = [each for each in rules["contracts"] if words in each["name"]]
    return dict(found)


def test_every_module_of_the_core_is_under_the_core_rule() -> None:
    core = {f"tridock.deploy.{path.stem}" for path in (ROOT / "deploy").glob("*.py")} - {
        "tridock.deploy.__init__"
    }
    assert set(_contract("core of deploy")["source_modules"]) == core


def test_every_cloud_is_under_the_rule_that_parts_them() -> None:
    clouds = set(registry.TARGETS.values())
    assert set(_contract("Clouds do not know")["modules"]) == clouds
    assert clouds <= set(_contract("core of deploy")["forbidden_modules"])
