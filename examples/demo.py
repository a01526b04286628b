"""The whole story, told by doing it, once in each cloud: `make demo`.

All goes through the doors, `python -m tridock.ROOM`, and through the vendors' clients as they come.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tridock.examples.client import Client
from tridock.examples.docks import DOCKS, FEATURES, Dock
from tridock.inference.process.model_server import importing

ENDPOINT = "iris"
FOLDER = Path("build/demo").resolve()
STATE = str(FOLDER / "state")
#: Seconds of a service that pass in a real one: all states are passed through, and soon.
SPEED = "300"
WIDTH = 110


def main(words: list[str] | None = None) -> int:
    """Tell the story and return the exit code: 0 if every claim held, 1 if not."""
    about = "Release, update and roll back a model in three emulated clouds: some minutes."
    argparse.ArgumentParser(prog="tridock demo", description=about).parse_args(words)
    story = Story()
    shutil.rmtree(FOLDER, ignore_errors=True)
    story.chapter("Two models are trained on the iris data and packaged")
    bundles = (
        train(story, version="1", strength=1.0),
        train(story, version="2", strength=10.0),
    )
    for dock in DOCKS:
        tell(story, dock, bundles)
    code = story.end()
    if not code:
        shutil.rmtree(FOLDER)
    return code


@dataclass
class Story:
    """What is told: chapters with the time so far, facts, and claims that must hold."""

    began: float = field(default_factory=time.monotonic)
    broken: int = 0

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        print(f"\n{time.monotonic() - self.began:6.1f} s  {title}", flush=True)

    def fact(self, text: str) -> None:
        """Tell what happened, in one line."""
        short = text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"
        print(f"          {short}", flush=True)

    def claim(self, text: str, *, held: bool) -> None:
        """Tell what must be so, and remember if it is not."""
        self.broken += not held
        print(f"      {'ok  ' if held else 'NOT '}{text}", flush=True)

    def end(self) -> int:
        """Close the story and return the exit code."""
        broken = f"{self.broken} of the claims did not hold; logs are in {FOLDER}"
        self.chapter(broken if self.broken else "The end: every claim held")
        return 1 if self.broken else 0


def tell(story: Story, dock: Dock, bundles: tuple[str, str]) -> None:
    """Tell the story in one cloud."""
    with emulated(story, dock):
        first = release_the_first(story, dock, bundles[0])
        second = release_the_second_under_traffic(story, dock, bundles[1])
        roll_back(story, dock, (first, second))
        clean_up(story, dock)


@contextmanager
def emulated(story: Story, dock: Dock) -> Iterator[None]:
    """Bring a cloud up on this machine, lead its clients to it, and take it down."""
    story.chapter(f"{dock.title} comes up on this machine: no account, no cost")
    exports = door(
        story, "tridock.emulators", "env", dock.target, "--state", STATE, "--speed", SPEED
    )
    before = dict(os.environ)
    for verb, word in (shlex.split(line) for line in exports.splitlines()):
        name, _, value = word.partition("=")
        os.environ.pop(name, None)
        if verb == "export":
            os.environ[name] = value
    story.fact(f"{dock.address}={os.environ[dock.address]}")
    try:
        yield
    finally:
        door(story, "tridock.emulators", "down", dock.target, "--state", STATE)
        os.environ.clear()
        os.environ.update(before)


def release_the_first(story: Story, dock: Dock, bundle: str) -> str:
    """Release version 1, ask it, and return its deployment's name."""
    story.chapter(f"Version 1 is released to {dock.title}")
    first = serving(deploy(story, dock, "release", "--bundle", bundle))
    story.chapter(f"{dock.client} as it comes asks it")
    answer = dock.connect(ENDPOINT)()
    story.fact(f"{FEATURES} → {answer.text}")
    story.claim("the answer is right: the flower is a setosa", held=answer.is_right)
    return first


def release_the_second_under_traffic(story: Story, dock: Dock, bundle: str) -> str:
    """Release version 2 by canary while a client asks without a pause; return its name."""
    story.chapter("Version 2 is released by canary, while a client keeps asking")
    with Client(dock.connect(ENDPOINT)) as client:
        second = serving(deploy(story, dock, "release", "--bundle", bundle))
    for deployment, answers in client.answers.most_common():
        story.fact(f"{deployment} answered {answers} requests")
    story.claim(f"not one of {client.sent} requests failed", held=not client.failures)
    for failure in client.failures[:3]:
        story.fact(failure)
    story.claim("both versions answered meanwhile", held=len(client.answers) == 2)
    return second


def roll_back(story: Story, dock: Dock, names: tuple[str, str]) -> None:
    """Go back to the first version while the client asks, and see that it answers again."""
    story.chapter("Second thoughts: roll back, while the client keeps asking")
    ask = dock.connect(ENDPOINT)
    with Client(ask) as client:
        deploy(story, dock, "rollback")
    story.claim(f"not one of {client.sent} requests failed", held=not client.failures)
    story.claim(f"{names[0]} answers again, not {names[1]}", held=ask().deployment == names[0])


def clean_up(story: Story, dock: Dock) -> None:
    """Delete the endpoint, and see that nothing is left: in the account, and of processes."""
    story.chapter("Clean up")
    deploy(story, dock, "delete")
    for kind, count in {**dock.left(), "model servers": model_servers(story, dock)}.items():
        story.claim(f"{count} {kind} left", held=not count)


def model_servers(story: Story, dock: Dock) -> int:
    """Count the model servers that run behind the cloud's endpoints."""
    status = json.loads(
        door(story, "tridock.emulators", "status", dock.target, "--state", STATE, "--json")
    )
    return int(status[dock.target]["servers"])


def deploy(story: Story, dock: Dock, verb: str, *words: str) -> str:
    """Open the deployers' door for the demo's endpoint, and return its result."""
    place = ["--target", dock.target, "--endpoint", ENDPOINT, "--state", STATE]
    place += ["--set", "gates.latency_p95=600000"]  # this machine may be slow
    return door(story, "tridock.deploy", verb, *place, *words)


def train(story: Story, *, version: str, strength: float) -> str:
    """Train and package one version, and return its bundle's folder."""
    bundle = str(FOLDER / f"iris-{version}")
    words = ("--version", version, "--C", str(strength), "--to", bundle)
    story.fact(door(story, "tridock.examples.iris.train", *words).strip())
    return bundle


def serving(result: str) -> str:
    """Return the name of the deployment that has all traffic, from a release's result."""
    traffic: dict[str, int] = json.loads(result)["traffic"]
    return next(name for name, percent in traffic.items() if percent == 100)


def door(story: Story, room: str, *words: str) -> str:
    """Open a door as a shell would, tell its progress as it comes, and return its result."""
    command = [sys.executable, "-P", "-m", room, *words]
    command += ["--json"] if room == "tridock.deploy" else []
    with subprocess.Popen(
        command,
        env=importing(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stderr or ():
            story.fact(line.rstrip())
        result = process.stdout.read() if process.stdout else ""
    if process.returncode:
        sys.exit(f"{shlex.join(command)} ended with {process.returncode}")
    return result


if __name__ == "__main__":
    sys.exit(main())
