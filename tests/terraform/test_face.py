"""The three modules have one face, and their documents are true.

`python -m tests.terraform.test_face` writes the tables.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.terraform.module import CLOUDS, MODULES, blocks, text
from tridock.deploy.target import plugins

#: What only one cloud has a word for.
OWN_VARIABLES = {
    "aws": set[str](),
    "azure": {"released", "subscription_id", "suffix"},
    "gcp": {"billing_account", "project"},
}
OWN_OUTPUTS = {
    "aws": {"deployer_policy"},
    "azure": {"tenant"},
    "gcp": {"identity_provider", "network"},
}
CONCERNS = {"alarms", "budget", "deployer", "identity", "keys", "network", "registry", "storage"}
PLAIN = {"main", "outputs", "variables", "versions"}


@pytest.mark.parametrize(("kind", "own"), [("variable", OWN_VARIABLES), ("output", OWN_OUTPUTS)])
def test_the_modules_share_their_names(kind: str, own: dict[str, set[str]]) -> None:
    common = {cloud: set(blocks(cloud, kind)) - own[cloud] for cloud in CLOUDS}
    assert common["aws"] == common["azure"] == common["gcp"]
    assert all(own[cloud] <= set(blocks(cloud, kind)) for cloud in CLOUDS)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_file_for_each_concern(cloud: str) -> None:
    files = {path.stem for path in (MODULES / cloud).glob("*.tf")}
    assert files - {"workspace"} == CONCERNS | PLAIN


@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_variable_that_can_be_wrong_says_what_to_do(cloud: str) -> None:
    free = {"private_networking", "tags"}  # any value will do
    unchecked = {
        name for name, body in blocks(cloud, "variable").items() if "validation" not in body
    }
    assert unchecked <= free


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_output_for_the_deployer_has_the_keys_of_its_table(cloud: str) -> None:
    told = set(re.findall(r"^    (\w+)\s+=", blocks(cloud, "output")["deploy"], re.MULTILINE))
    settings = plugins.find(cloud).settings
    assert {name for name, one in settings.items() if one.account} <= told <= set(settings)
    assert set(plugins.find(cloud).required) <= told


@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_skipped_check_says_why(cloud: str) -> None:
    skips = re.findall(r"checkov:skip=(.*)", text(cloud))
    assert skips
    assert [skip for skip in skips if not re.fullmatch(r"CKV2?_\w+:.{20,}", skip)] == []


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_tables_of_the_readme_are_those_of_the_module(cloud: str) -> None:
    assert tables(cloud) in _readme(cloud).read_text()


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_readme_tells_the_cost_of_all_that_costs_at_rest(cloud: str) -> None:
    kinds = set(re.findall(r'^resource "(\w+)"', text(cloud), re.MULTILINE))
    rows = re.findall(r"^\| `(\w+)`.*\|.*\|$", _costs(cloud), re.MULTILINE)
    assert set(rows) == kinds & COSTLY


#: Kinds of resources that are paid for while no model is deployed.
COSTLY = {
    "aws_cloudwatch_log_group",
    "aws_cloudwatch_metric_alarm",
    "aws_ecr_repository",
    "aws_kms_key",
    "aws_s3_bucket",
    "aws_vpc_endpoint",
    "azurerm_container_registry",
    "azurerm_key_vault",
    "azurerm_log_analytics_workspace",
    "azurerm_monitor_metric_alert",
    "azurerm_monitor_scheduled_query_rules_alert_v2",
    "azurerm_private_dns_zone",
    "azurerm_private_endpoint",
    "azurerm_storage_account",
    "google_artifact_registry_repository",
    "google_compute_global_forwarding_rule",
    "google_dns_managed_zone",
    "google_kms_crypto_key",
    "google_logging_project_bucket_config",
    "google_monitoring_alert_policy",
    "google_storage_bucket",
}


def tables(cloud: str) -> str:
    """Write the tables of a module's variables and outputs."""
    inputs = [
        f"| `{name}` | {_default(body)} | {_about(body)} |\n"
        for name, body in blocks(cloud, "variable").items()
    ]
    outputs = [f"| `{name}` | {_about(body)} |\n" for name, body in blocks(cloud, "output").items()]
    return (
        "## Inputs\n\n| variable | default | meaning |\n|---|---|---|\n"
        + "".join(inputs)
        + "\n## Outputs\n\n| output | meaning |\n|---|---|\n"
        + "".join(outputs)
    )


def _about(body: str) -> str:
    told: list[str] = re.findall(r'^  description\s+= "(.*)"$', body, re.MULTILINE)
    return told[0]


def _default(body: str) -> str:
    found = re.findall(r"^  default\s+= (.*)$", body, re.MULTILINE)
    return f"`{found[0]}`" if found else "**needed**"


def _readme(cloud: str) -> Path:
    return MODULES / cloud / "README.md"


def _costs(cloud: str) -> str:
    return _readme(cloud).read_text().partition("## What it costs at rest")[2].partition("\n## ")[0]


def main() -> None:
    """Write the tables."""
    for cloud in CLOUDS:
        told = _readme(cloud).read_text()
        written = re.sub(
            r"## Inputs\n.*?\n## Outputs\n.*?(?=\n## |\Z)",
            tables(cloud).replace("\\", "\\\\"),
            told,
            flags=re.DOTALL,
        )
        _readme(cloud).write_text(written)


if __name__ == "__main__":
    main()
