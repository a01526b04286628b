"""A module of terraform/, copied to where Terraform may write, and run by it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "terraform"
CLOUDS = ("aws", "azure", "gcp")

#: What a plan needs to be told; the rest has defaults.
NEEDED: Mapping[str, Mapping[str, str]] = {
    "aws": {},
    "azure": {"subscription_id": "44444444-4444-4444-4444-444444444444", "suffix": "ab12"},
    "gcp": {"project": "acme-models"},
}
#: Everything that is optional, switched on.
EVERYTHING = {
    "alarm_email": "models@example.com",
    "deployer": '{ subject = "repo:acme/models:ref:refs/heads/main" }',
    "private_networking": "true",
}

#: What Terraform says when no registry answers: nothing of ours is wrong then.
UNREACHABLE = re.compile(
    r"could not connect to registry|failed to request discovery document|"
    r"could not query provider registry .*(dial|lookup|proxy|timeout|Forbidden)|deadline exceeded",
    re.DOTALL,
)


class UnavailableError(Exception):
    """Terraform or its providers are not here; the message says what to install."""


class TerraformError(Exception):
    """Terraform refused; the message is its output."""


@dataclass(frozen=True)
class Module:
    """A copy of one module, with its providers."""

    cloud: str
    folder: Path

    @classmethod
    def copied(cls, cloud: str, to: Path) -> Module:
        """Copy a module and fetch its providers.

        Raises
        ------
        UnavailableError
            If Terraform is not installed, or neither a registry nor a mirror has the providers.
        """
        ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars")
        folder = Path(shutil.copytree(MODULES / cloud, to / cloud, ignore=ignored))
        module = cls(cloud, folder)
        try:
            module.run("init", "-input=false", "-no-color")
        except TerraformError as error:
            if not UNREACHABLE.search(str(error)):
                raise
            raise UnavailableError(
                "no provider registry answers: connect this machine, or name the folder of a "
                "provider mirror (with its terraform.rc) in TRIDOCK_TERRAFORM_MIRROR"
            ) from error
        return module

    def run(self, *words: str) -> str:
        """Run Terraform in the copy and return what it printed."""
        try:
            said = subprocess.run(
                ["terraform", f"-chdir={self.folder}", *words],
                env=environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=1200,
                check=False,
            )
        except FileNotFoundError:
            raise UnavailableError(
                "terraform is not on PATH: install Terraform 1.9 or newer"
            ) from None
        if said.returncode:
            raise TerraformError(said.stdout + said.stderr)
        return said.stdout

    def apply(self, **variables: str) -> Mapping[str, Any]:
        """Apply with these variables, by the mirror of providers alone, and return the outputs.

        Raises
        ------
        UnavailableError
            If the providers are the real ones: they would ask for an account.
        """
        if "TRIDOCK_TERRAFORM_MIRROR" not in os.environ:
            raise UnavailableError("an apply without an account needs TRIDOCK_TERRAFORM_MIRROR")
        words = self._variables(("iris",), variables)
        self.run("apply", "-input=false", "-no-color", "-auto-approve", *words)
        told = json.loads(self.run("output", "-json"))
        return {name: one["value"] for name, one in told.items()}

    def plan(self, endpoints: Sequence[str] = ("iris",), **variables: str) -> Mapping[str, Any]:
        """Plan with these variables and return the plan as Terraform tells it to machines."""
        words = self._variables(endpoints, variables)
        self.run("plan", "-input=false", "-no-color", "-out=plan", *words)
        plan: Mapping[str, Any] = json.loads(self.run("show", "-json", "plan"))
        return plan

    def _variables(self, endpoints: Sequence[str], more: Mapping[str, str]) -> list[str]:
        given = {**NEEDED[self.cloud], "endpoints": json.dumps(list(endpoints)), **more}
        return [word for name, value in given.items() for word in ("-var", f"{name}={value}")]


def environment() -> dict[str, str]:
    """Return our variables, led to the mirror that one of them may name, and to no account."""
    mirror = os.environ.get("TRIDOCK_TERRAFORM_MIRROR")
    led = {"TF_CLI_CONFIG_FILE": str(Path(mirror) / "terraform.rc")} if mirror else {}
    return {**os.environ, **led, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}


def text(cloud: str, pattern: str = "*.tf") -> str:
    """Return the files of a module as one text."""
    return "\n".join(path.read_text() for path in sorted((MODULES / cloud).glob(pattern)))


def blocks(cloud: str, kind: str) -> dict[str, str]:
    """Return the bodies of a module's top-level blocks, by name: ``variable``, ``output``."""
    found = re.findall(rf'^{kind} "(\w+)" {{\n(.*?)^}}', text(cloud), re.DOTALL | re.MULTILINE)
    return dict(found)
