"""The command `build`: images from this folder, their size, their bill of materials."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tridock.inference.image.contents import Package, normal, read
from tridock.inference.image.engine import EngineError, Image, demand, docker, inspect
from tridock.inference.image.size import measure

#: The build context: the room itself.
CONTEXT = Path(__file__).resolve().parents[1]
LOCKS = {"onnx": "requirements-onnx.txt", "sklearn": "requirements.txt"}
#: The variant that `tridock:latest` is: it serves every bundle.
DEFAULT = "sklearn"
#: Where pip looks on this machine; known to a stage that no image keeps.
PASSED = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST")
#: More words for `docker build`, e.g. ``--network host`` where builds have no network.
OPTIONS = "TRIDOCK_BUILD_OPTIONS"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words of this command."""
    add = parser.add_argument
    add("--variant", action="append", choices=sorted(LOCKS), help="only this one; may be repeated")
    add("--base", metavar="IMAGE", help="instead of the Dockerfile's, e.g. one with its digest")
    add("--run-as", metavar="UID:GID", help="instead of 10001:10001, e.g. 0:0 for SageMaker")
    add("--bundle", type=Path, metavar="DIR", help="make a self-contained image of each, too")
    add("--to", type=Path, default=Path("build/image"), metavar="DIR", help="for the reports")
    add("--audit", type=Path, metavar="FILE", help="pip-audit's command")


def main(options: argparse.Namespace) -> int:
    """Build, tell, and return the exit code: 0 done, 1 failed, 2 there is no engine."""
    try:
        demand()
    except EngineError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    try:
        for variant in options.variant or LOCKS:
            for line in _made(variant, options):
                print(line, flush=True)  # noqa: T201
    except EngineError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _made(variant: str, options: argparse.Namespace) -> Iterator[str]:
    folder: Path = options.to / variant
    folder.mkdir(parents=True, exist_ok=True)
    name = f"tridock:{variant}"
    given = {"VARIANT": variant, "BASE": options.base, "RUN_AS": options.run_as}
    given["REVISION"] = _revision()
    _build(name, given, folder / "build.log")
    if variant == DEFAULT:
        docker("tag", name, "tridock:latest")
    image = inspect(name)
    yield f"{name}: {measure(image)}"
    packages = read(image).packages
    (folder / "sbom.json").write_text(json.dumps(bill(image, packages), indent=1) + "\n")
    kinds = [package.kind for package in packages]
    counts = f"{kinds.count('pypi')} Python distributions, {kinds.count('deb')} Debian packages"
    yield f"  {folder / 'sbom.json'}: {counts}"
    if options.audit:
        report = audit(options.audit, CONTEXT / LOCKS[variant], folder / "audit.json")
        yield from (f"  {line}" for line in (str(report), *report.found))
    if options.bundle:
        yield f"  with its bundle: {_baked(name, options.bundle, folder / 'bake.log')}"


def _build(name: str, given: dict[str, str | None], log: Path) -> None:
    words = [*shlex.split(os.environ.get(OPTIONS, "")), "--tag", name]
    for argument, value in given.items():
        words += ["--build-arg", f"{argument}={value}"] if value else []
    for (
        argument
    ) in PASSED:  # by its name alone: docker reads the value, no list of processes has it
        words += ["--build-arg", argument] if os.environ.get(argument) else []
    _run([*words, str(CONTEXT)], log)


def _baked(name: str, bundle: Path, log: Path) -> str:
    """Make an image that has its bundle with it, and return its name."""
    made = f"{name}-{bundle.resolve().parent.name}"
    recipe = f"FROM {name}\nCOPY . /app/bundle\nENV TRIDOCK_BUNDLE_URI=/app/bundle\n"
    _run(["--tag", made, "--file", "-", str(bundle)], log, recipe)
    return made


def _run(words: list[str], log: Path, recipe: str = "") -> None:
    with log.open("w") as file:
        done = subprocess.run(
            ["docker", "build", *words],
            input=recipe,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise EngineError(f"docker build failed. {log} ends:\n{tail}")


def _revision() -> str:
    try:
        said = subprocess.run(
            ["git", "-C", str(CONTEXT), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return said.stdout.strip()


# Known vulnerabilities of what an image is locked to, as pip-audit finds them.


@dataclass(frozen=True)
class Report:
    """Result of the audit.

    Attributes
    ----------
    known : int
        Number of distributions that the data know; what they do not know is not called safe.
    found : tuple of str
        One line for each vulnerability.
    unknown : int
        Number of those that they do not.
    reason : str
        Why not.
    """

    known: int
    found: tuple[str, ...] = ()
    unknown: int = 0
    reason: str = ""

    def __str__(self) -> str:
        summary = f"{len(self.found)} known vulnerabilities in {self.known} distributions"
        left = f"{self.unknown} not audited: {self.reason}"
        return "; ".join([summary] * bool(self.known) + [left] * bool(self.reason))


def audit(tool: Path, requirements: Path, to: Path) -> Report:
    """Ask about every pin of `requirements`, and keep the answer as JSON.

    Parameters
    ----------
    tool : Path
        pip-audit's command.
    requirements : Path
        With hashes; nothing is downloaded or installed.
    to : Path
        Where its report goes; there is none if the data could not be reached.
    """
    to.unlink(missing_ok=True)
    pins = requirements.read_text().count("==")
    words = ["--disable-pip", "--require-hashes", "--requirement", str(requirements)]
    words += ["--progress-spinner", "off", "--format", "json", "--output", str(to)]
    try:
        done = subprocess.run([tool, *words], capture_output=True, text=True, check=False)
    except OSError as error:
        return Report(0, reason=f"{tool} cannot be run: {error.strerror}", unknown=pins)
    if not to.exists():
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return Report(0, reason=said[-1][:200], unknown=pins)
    return report(json.loads(to.read_text())["dependencies"])


def report(dependencies: Sequence[Mapping[str, Any]]) -> Report:
    """Return what a report of pip-audit says; a distribution it skipped is not a safe one."""
    skipped = [
        dependency["skip_reason"] for dependency in dependencies if "skip_reason" in dependency
    ]
    advisories = []
    for dependency in dependencies:
        for each in dependency.get("vulns", ()):
            fixed = ", ".join(each["fix_versions"]) or "no version yet"
            advisories.append(
                f"{dependency['name']} {dependency['version']}: {each['id']}, fixed in {fixed}"
            )
    known = len(dependencies) - len(skipped)
    return Report(known, tuple(advisories), len(skipped), "".join(skipped[:1]))


# A bill of materials in CycloneDX's form, version 1.6.

#: What an SPDX expression looks like; any other text is a license's name.
SPDX = re.compile(r"^\(?[A-Za-z0-9.+-]+\)?( (AND|OR|WITH) \(?[A-Za-z0-9.+-]+\)?)*$")


def bill(image: Image, packages: Sequence[Package]) -> Mapping[str, Any]:
    """Return the bill of an image as JSON-ready values; the same image has the same bill.

    Source: CycloneDX v1.6 JSON reference; package URLs by «purl-spec».
    """
    name, _, tag = image.name.rpartition("/")[2].partition(":")
    root = {"type": "container", "bom-ref": image.id, "name": name, "version": tag or "latest"}
    parts = sorted(packages, key=url)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, image.id)}",
        "version": 1,
        "metadata": {"component": {**root, "properties": _properties(image)}},
        "components": [_component(part) for part in parts],
        "dependencies": _dependencies(image, parts),
    }


def url(package: Package) -> str:
    """Return a package's URL, e.g. ``pkg:pypi/numpy@2.4.6``."""
    version = quote(package.version, safe="")
    if package.kind == "pypi":
        return f"pkg:pypi/{normal(package.name)}@{version}"
    if package.kind == "deb":
        name = quote(package.name, safe="")
        return f"pkg:deb/debian/{name}@{version}?arch={package.architecture}"
    return f"pkg:{package.kind}/{package.name}@{version}"


def _component(package: Package) -> Mapping[str, Any]:
    made = {
        "type": "library",
        "bom-ref": url(package),
        "name": package.name,
        "version": package.version,
        "purl": url(package),
    }
    return {**made, "licenses": [_license(package.license)]} if package.license else made


def _license(expression: str) -> Mapping[str, Any]:
    named = {"license": {"name": expression}}
    return {"expression": expression} if SPDX.match(expression) and " " in expression else named


def _dependencies(image: Image, packages: Sequence[Package]) -> list[Mapping[str, Any]]:
    known = {normal(package.name): url(package) for package in packages if package.kind == "pypi"}
    needed = {url(package): [known[n] for n in package.needs if n in known] for package in packages}
    above = {ref for refs in needed.values() for ref in refs}
    tops = [ref for ref in needed if ref not in above]
    listed = [{"ref": image.id, "dependsOn": tops}]
    return [*listed, *({"ref": ref, "dependsOn": refs} for ref, refs in needed.items())]


def _properties(image: Image) -> list[Mapping[str, str]]:
    expression = {"platform": image.platform, **image.labels}
    return [
        {"name": f"tridock:{name}", "value": value} for name, value in sorted(expression.items())
    ]
