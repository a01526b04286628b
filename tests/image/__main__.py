"""The very image, end to end: built, checked for the three clouds, released to every target.

All goes through the doors, `python -m ROOM`, and through the vendors' clients as they come.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tridock.emulators.runners import LABEL
from tridock.examples.demo import Story
from tridock.examples.docks import DOCKS, Dock
from tridock.inference.image.engine import EngineError, demand, docker

FOLDER = Path("build/e2e").resolve()
STATE = FOLDER / "state"
BUNDLE = FOLDER / "bundle"
FILE = "examples/iris/release.toml"
SPEED = "300"
#: Which variant is released where: each of them, and each way to its model.
VARIANTS = {"aws": "onnx", "gcp": "onnx", "azure": "sklearn"}
#: As a release names it; the emulated registry holds nothing, so its last part is looked for here.
REGISTRY = {
    "aws": "123456789012.dkr.ecr.us-east-1.amazonaws.com/tridock",
    "gcp": "us-central1-docker.pkg.dev/tridock-local/tridock/tridock",
    "azure": "tridock.azurecr.io/tridock",
}


def main() -> int:
    """Do it all and return the exit code: 0 if every claim held, or if there is no engine."""
    parser = argparse.ArgumentParser(prog="python -m tests.image", description=__doc__)
    parser.add_argument("--built", action="store_true", help="the images are there already")
    options = parser.parse_args()
    try:
        demand()
    except EngineError as error:
        print(f"SKIPPED: {error}")
        return 0
    story = Story()
    shutil.rmtree(FOLDER, ignore_errors=True)
    make(story, is_built=options.built)
    for variant in ("onnx", "sklearn"):
        check(story, variant)
    story.chapter("Released here, as a process behind a small router")
    try:
        release(story, "local")
        story.claim(
            "it answers", held='"setosa"' in door("tridock.deploy", "invoke", *told("local"))
        )
    finally:
        door("tridock.deploy", "delete", *told("local"))
    for dock in DOCKS:
        tell(story, dock)
    story.chapter(f"{story.broken} claims did not hold" if story.broken else "Every claim held")
    if not story.broken:
        shutil.rmtree(FOLDER)
    return int(story.broken > 0)


def make(story: Story, *, is_built: bool) -> None:
    """Train and package the model, and build both images."""
    story.chapter("A model is trained and packaged")
    run(sys.executable, "-m", "tridock.examples.iris.train", "--to", str(BUNDLE))
    if not is_built:
        story.chapter("The images are built")
        auditor = Path(".venvs/audit/bin/pip-audit")
        audit = ["--audit", str(auditor)] if auditor.exists() else []
        for line in door("tridock.inference", "build", *audit).splitlines():
            story.fact(line)


def check(story: Story, variant: str) -> None:
    """Judge one image as each cloud would; the table is kept."""
    story.chapter(f"Would the clouds take tridock:{variant}?")
    words = ("tridock.inference", "check", f"tridock:{variant}", "--bundle", str(BUNDLE))
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, check=False
    )
    table = FOLDER.parent / f"image/{variant}/check.txt"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(done.stdout)
    for line in done.stdout.splitlines():
        if " broken " in line or " not judged " in line:
            story.fact(line)
    said = (done.stdout or done.stderr).splitlines() or ["nothing was said"]
    story.fact(f"{table.relative_to(Path.cwd())}: {said[-1]}")
    story.claim("no rule of any cloud is broken", held=done.returncode == 0)


def tell(story: Story, dock: Dock) -> None:
    """Release the image to one emulated cloud, ask it by the vendor's client, and clean up."""
    variant = VARIANTS[dock.target]
    story.chapter(f"{dock.title}: tridock:{variant} is released, as a container")
    with emulated(dock):
        image = f"{dock.target}.image={REGISTRY[dock.target]}:{variant}"
        release(story, dock.target, "--set", image)
        running = containers(dock.target)
        story.claim(f"one container runs: {', '.join(running)}", held=len(running) == 1)
        answer = dock.connect("iris")()
        story.claim(f"{dock.client} is answered {answer.text}", held=answer.is_right)
        door("tridock.deploy", "delete", *told(dock.target))
        story.claim("nothing is left in the account", held=not any(dock.left().values()))
    story.claim("no container is left", held=not containers(dock.target))


@contextmanager
def emulated(dock: Dock) -> Iterator[None]:
    """Bring a cloud up whose model servers are containers, and take it down."""
    settings = ("--state", str(STATE), "--runner", "docker", "--speed", SPEED)
    exports = door("tridock.emulators", "env", dock.target, *settings)
    words = [shlex.split(line)[1] for line in exports.splitlines() if line.startswith("export ")]
    before = dict(os.environ)
    os.environ.update(dict(word.split("=", 1) for word in words))
    try:
        yield
    finally:
        door("tridock.emulators", "down", dock.target, "--state", str(STATE))
        os.environ.clear()
        os.environ.update(before)


def release(story: Story, target: str, *more: str) -> None:
    """Release the bundle, and say in how many steps."""
    said = door("tridock.deploy", "release", "--bundle", str(BUNDLE), *told(target), *more)
    line = next((each for each in said.splitlines() if each.startswith("iris ")), said)
    story.fact(" ".join(line.split()))


def told(target: str) -> tuple[str, ...]:
    return ("--target", target, "--file", FILE, "--state", str(STATE))


def containers(target: str) -> list[str]:
    """Return what runs of an emulator's containers, each with its image's identity."""
    label = f"label={LABEL}={STATE / target}"
    form = "{{.Names}} of {{.Image}}"
    return docker("ps", "--all", "--filter", label, "--format", form).splitlines()


def door(*words: str) -> str:
    return run(sys.executable, "-m", *words)


def run(*words: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a command and return what it prints; its own words end this program if it fails."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{shlex.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
