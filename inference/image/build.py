"""The command `build`: images from this folder, their size, their bill of materials."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tridock.inference.image.audit import audit
from tridock.inference.image.contents import read
from tridock.inference.image.engine import EngineError, demand, docker, inspect
from tridock.inference.image.sbom import bill
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
    kinds = [each.kind for each in packages]
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
