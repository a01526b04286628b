"""The whole story, told by doing it: `make demo`.

All goes through the doors, `python -m ROOM`, and through boto3 as it comes from AWS.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3

from examples.client import Client, ask

ENDPOINT = "iris"
FOLDER = Path("build/demo").resolve()
STATE = str(FOLDER / "state")
WIDTH = 110
RELEASE = ("deploy", "release", "--target", "aws", "--endpoint", ENDPOINT, "--state", STATE)


def main() -> int:
    """Tell the story and return the exit code: 0 if every claim held, 1 if not."""
    story = Story()
    with emulated_sagemaker(story):
        first = release_the_first(story)
        second = release_the_second_under_traffic(story)
        roll_back(story, first, second)
        clean_up(story)
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


@contextmanager
def emulated_sagemaker(story: Story) -> Iterator[None]:
    """Bring SageMaker up on this machine, lead boto3 to it by the environment, and take it down."""
    story.chapter("SageMaker comes up on this machine: no account, no cost")
    shutil.rmtree(FOLDER, ignore_errors=True)
    exports = door(story, "emulators", "env", "aws", "--state", STATE)
    words = [shlex.split(line)[1] for line in exports.splitlines()]
    os.environ.update(dict(word.split("=", 1) for word in words))
    story.fact(f"AWS_ENDPOINT_URL={os.environ['AWS_ENDPOINT_URL']}")
    try:
        yield
    finally:
        door(story, "emulators", "down", "aws", "--state", STATE)


def release_the_first(story: Story) -> str:
    """Train, package and release version 1, ask it, and return its deployment's name."""
    story.chapter("A model is trained on the iris data and packaged: version 1")
    bundle = train(story, version="1", strength=1.0)
    story.chapter("Version 1 is released to SageMaker")
    first = serving(door(story, *RELEASE, "--bundle", bundle))
    story.chapter("Plain boto3 asks it")
    answer = ask(boto3.client("sagemaker-runtime"), ENDPOINT)
    story.fact(f'invoke_endpoint(… {{"features": [5.1, 3.5, 1.4, 0.2]}}) → {answer.body}')
    story.claim("the answer is right: the flower is a setosa", held=answer.is_right)
    return first


def release_the_second_under_traffic(story: Story) -> str:
    """Release version 2 by canary while a client asks without a pause; return its name."""
    story.chapter("A better model: version 2")
    bundle = train(story, version="2", strength=10.0)
    story.chapter("Version 2 is released by canary, while a client keeps asking")
    with Client(ENDPOINT) as client:
        second = serving(door(story, *RELEASE, "--bundle", bundle))
    for variant, answers in client.answers.most_common():
        story.fact(f"{variant} answered {answers} requests")
    story.claim(f"not one of {client.sent} requests failed", held=not client.failures)
    for failure in client.failures[:3]:
        story.fact(failure)
    story.claim("both versions answered meanwhile", held=len(client.answers) == 2)
    return second


def roll_back(story: Story, first: str, second: str) -> None:
    """Go back to version 1 while the client asks, and see that it answers again."""
    story.chapter("Second thoughts: roll back, while the client keeps asking")
    with Client(ENDPOINT) as client:
        door(story, "deploy", "rollback", "--target", "aws", *RELEASE[4:])
    story.claim(f"not one of {client.sent} requests failed", held=not client.failures)
    answer = ask(boto3.client("sagemaker-runtime"), ENDPOINT)
    story.claim(f"{first} answers again, not {second}", held=answer.variant == first)


def clean_up(story: Story) -> None:
    """Delete the endpoint, and see that nothing is left: in the account, and of processes."""
    story.chapter("Clean up")
    door(story, "deploy", "delete", "--target", "aws", *RELEASE[4:])
    sagemaker = boto3.client("sagemaker")
    left = {
        "endpoints": len(sagemaker.list_endpoints()["Endpoints"]),
        "endpoint configurations": len(sagemaker.list_endpoint_configs()["EndpointConfigs"]),
        "models": len(sagemaker.list_models()["Models"]),
        "model servers": len(model_servers()),
    }
    for kind, count in left.items():
        story.claim(f"{count} {kind} left", held=not count)


def train(story: Story, *, version: str, strength: float) -> str:
    """Train and package one version, and return its bundle's folder."""
    bundle = str(FOLDER / f"iris-{version}")
    words = ("--version", version, "--C", str(strength), "--to", bundle)
    story.fact(door(story, "examples.iris.train", *words).strip())
    return bundle


def serving(result: str) -> str:
    """Return the name of the deployment that has all traffic, from a release's result."""
    traffic: dict[str, int] = json.loads(result)["traffic"]
    return next(name for name, percent in traffic.items() if percent == 100)


def model_servers() -> list[object]:
    """Ask the emulator which model servers run behind its endpoints."""
    url = f"{os.environ['AWS_ENDPOINT_URL']}/_emulator/servers"
    with urllib.request.urlopen(url, timeout=10) as answer:
        servers: list[object] = json.load(answer)["servers"]
    return servers


def door(story: Story, room: str, *words: str) -> str:
    """Open a door as a shell would, tell its progress as it comes, and return its result."""
    command = [sys.executable, "-m", room, *words]
    command += ["--json"] if room == "deploy" else []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr or ():
            story.fact(line.rstrip())
        result = process.stdout.read() if process.stdout else ""
    if process.returncode:
        sys.exit(f"{shlex.join(command)} ended with {process.returncode}")
    return result


if __name__ == "__main__":
    sys.exit(main())
