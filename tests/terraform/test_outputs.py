"""`deploy` reads what Terraform made, and refuses clearly what it did not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tridock.deploy.config import account
from tridock.deploy.config.load import Config, load
from tridock.deploy.target import plugins
from tridock.deploy.target.errors import ConfigError

TOLD = {
    "region": "eu-central-1",
    "bucket": "made",
    "role": "arn:aws:iam::123456789012:role/made",
    "image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/made:1",
    "subnets": "",
    "security_groups": "",
}


def _config(folder: Path, told: Any, lines: str = "") -> Config:
    (folder / "outputs.json").write_text(told if isinstance(told, str) else json.dumps(told))
    file = folder / "release.toml"
    file.write_text(f'target = "aws"\nterraform = "outputs.json"\n{lines}')
    return load(file, {}, {})


def _completed(config: Config) -> dict[str, str]:
    return account.completed(config, plugins.find("aws"))


def _output(**values: str) -> dict[str, Any]:
    return {"deploy": {"sensitive": False, "type": "string", "value": {**TOLD, **values}}}


def test_the_module_s_output_fills_what_nobody_gave(tmp_path: Path) -> None:
    found = _completed(_config(tmp_path, _output()))
    assert {name: found[name] for name in TOLD} == TOLD
    assert found["instance"] == "ml.m5.large"


def test_what_the_file_gives_goes_over_what_terraform_made(tmp_path: Path) -> None:
    found = _completed(_config(tmp_path, _output(), '[aws]\nbucket = "mine"\n'))
    assert (found["bucket"], found["role"]) == ("mine", TOLD["role"])


def test_a_flag_goes_over_what_terraform_made(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(_output()))
    given = load(None, {"target": "aws", "terraform": str(file), "aws.image": "other"}, {})
    assert _completed(given)["image"] == "other"


def test_a_module_that_was_never_applied_changes_nothing() -> None:
    config = load(None, {"target": "local"}, {})
    assert account.completed(config, plugins.find("local")) == dict(config.settings)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, r"has no output 'deploy': `make provision-aws LIVE=1` makes it .* terraform/aws"),
        ({"deploy": {"value": None}}, r"has no output 'deploy'"),
        ({"deploy": {"value": {"region": "x"}}}, r"of terraform/aws lacks bucket, role"),
        (_output(colour="red"), r"of terraform/aws has colour, which no key of \[aws\] is"),
        ("{not json", r"outputs.json is no `terraform output -json`"),
    ],
)
def test_what_is_missing_is_named_with_its_module(tmp_path: Path, told: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        _completed(_config(tmp_path, told))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    config = load(None, {"target": "aws", "terraform": str(tmp_path / "none.json")}, {})
    with pytest.raises(ConfigError, match=r"none.json, named as `terraform`, cannot be read"):
        _completed(config)
