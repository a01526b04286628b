from __future__ import annotations

import tomllib
from pathlib import Path

from tridock.deploy.target import plugins

ROOT = Path(__file__).resolve().parents[2]


def _contract(words: str) -> dict[str, list[str]]:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (found,) = [each for each in rules["contracts"] if words in each["name"]]
    return dict(found)


def test_every_module_of_the_core_is_under_the_core_rule() -> None:
    folder = ROOT / "deploy"
    rooms = {path.parent.name for path in folder.glob("*/__init__.py")}
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    core = {f"tridock.deploy.{name}" for name in rooms | modules}
    assert set(_contract("core of deploy")["source_modules"]) == core - set(
        plugins.TARGETS.values()
    )


def test_every_cloud_is_under_the_rule_that_parts_them() -> None:
    clouds = set(plugins.TARGETS.values())
    assert set(_contract("Clouds do not know")["modules"]) == clouds
    assert clouds <= set(_contract("core of deploy")["forbidden_modules"])
