"""Bad releases, and how each is stopped: ``python -m tests.deploy.bad_releases --target local``.

Every strategy is given three bad models while a client keeps asking: one that fails each fifth
request, one that takes five times as long, one whose predictions are flipped. Printed is at which
step each was stopped, after how many requests, how long it took until traffic was back, the exit
code and the message.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import httpx
import joblib
from rich import box
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_iris

from tests.deploy import bundles
from tests.deploy.commandline import ROOT, Door
from tests.deploy.staging import name_of
from tridock.deploy.local import daemon
from tridock.deploy.local.router import HEADER
from tridock.deploy.strategies import STRATEGIES
from tridock.deploy.target import plugins
from tridock.examples.client import Client
from tridock.examples.docks import DOCKS, Answer, Flower
from tridock.inference.bundle.bundle import Bundle

#: Milliseconds of a good model and of a slow one, and the limit between them.
GOOD_MS, SLOW_MS, LIMIT_MS = 40, 200, 150
#: How each model is bad.
KINDS = {
    "20 % errors": bundles.Badness(every=5, milliseconds=GOOD_MS),
    "latency x 5": bundles.Badness(milliseconds=SLOW_MS),
    "flipped": bundles.Badness(flip=True, milliseconds=GOOD_MS),
}
#: Flipped predictions of three kinds that are equally frequent are spread as before: live requests
#: alone cannot show that, without labels. One prediction for all they can, if there is no script:
#: what scripts answer, a cloud's model server does not count.
LIVE_KINDS = {**KINDS, "flipped": bundles.Badness(stuck=True, milliseconds=GOOD_MS)}
SETTINGS = {"bake": "2", "keep_old": "0.1", "gates.latency_p95": str(LIMIT_MS)}
#: Nothing of the judge's own: live requests alone, as many as a step waits for.
LIVE = {"gates.requests": "0", "gates.minimum_requests": "30", "gates.prediction_shift": "0.3"}


@dataclass(frozen=True)
class Outcome:
    """How one bad release ended.

    Attributes
    ----------
    step : str
        Where it was stopped.
    sent : str
        Requests until then: the judge's own, and the client's that the bad one answered.
    back : float
        Seconds from the verdict until traffic was back.
    """

    strategy: str
    kind: str
    step: str
    sent: str
    back: float
    code: int
    message: str
    serving: bool


@contextmanager
def place(
    target: str, state: Path, good: Bundle, *, speed: str
) -> Iterator[Callable[[str], Callable[[], Answer]]]:
    """Bring a target up, lead clients to it, and give what makes a client of an endpoint."""
    if not plugins.find(target).provision:
        yield lambda endpoint: _local(state, endpoint, good)
        return
    door, where = [sys.executable, "-m", "tridock.emulators"], [target, "--state", str(state)]
    command = [*door, "env", *where, "--speed", speed]
    printed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    words = [
        shlex.split(line)[1] for line in printed.stdout.splitlines() if line.startswith("export ")
    ]
    os.environ.update(dict(word.split("=", 1) for word in words))
    try:
        connect = next(dock.connect for dock in DOCKS if dock.target == target)
        yield lambda endpoint: connect(endpoint, _flowers(good))
    finally:
        subprocess.run([*door, "down", *where], cwd=ROOT, check=True)


def released(door: Door, ask: Callable[[], Answer], bad: Bundle, words: list[str]) -> Outcome:
    """Release a bad bundle while a client asks, and tell how that ended."""
    command = door.command("release", "--bundle", bad.path, *words)
    verdict = back = 0.0
    lines: list[str] = []
    with Client(ask) as client:
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            for line in process.stderr or ():
                lines.append(line.rstrip())
                verdict = verdict or (time.monotonic() if "FAILED judge" in line else 0.0)
                back = time.monotonic() if "put traffic back" in line else back
        seen = client.answers[name_of(bad)] + len(client.failures)
    said = next((line for line in lines if line.startswith("error: ")), lines[-1])[7:]
    step = re.search(r" at ((?:copies of )?\d+ %)", said)
    own = re.search(r"in (\d+) requests", said)
    traffic = door("traffic", "--json").json()["traffic"]
    return Outcome(
        words[1].removeprefix("strategy="),
        "",
        step[1] if step else "before it began",
        f"{own[1] if own else 0} + {seen}",
        max(0.0, back - verdict),
        process.returncode,
        said,
        name_of(bad) not in traffic,
    )


def main(words: list[str] | None = None) -> int:
    """Print the table and return 0 if each bad release was stopped."""
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.bad_releases")
    parser.add_argument("--target", default="local", choices=plugins.TARGETS)
    parser.add_argument("--strategy", action="append", choices=tuple(STRATEGIES))
    parser.add_argument("--live-requests", action="store_true", help="judge by them alone")
    parser.add_argument("--speed", default="300", help="of the emulated cloud (%(default)s)")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        outcomes = list(_outcomes(options, Path(folder)))
    _print(options.target, outcomes)
    stopped = [one.serving and one.code in (2, 3) for one in outcomes]
    return 0 if all(stopped) else 1


def _outcomes(options: argparse.Namespace, folder: Path) -> Iterator[Outcome]:
    door = Door(options.target, folder / "state")
    good = bundles.scripted(folder / "good", "1", bundles.Badness(milliseconds=GOOD_MS))
    live = options.live_requests
    settings, kinds = (SETTINGS | LIVE, LIVE_KINDS) if live else (SETTINGS, KINDS)
    more = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    with place(options.target, folder / "state", good, speed=options.speed) as connect:
        first = door("release", "--bundle", good.path)
        assert first.code == 0, first.err
        ask = connect("iris")
        for strategy in options.strategy or STRATEGIES:
            for number, (kind, badness) in enumerate(kinds.items(), 2):
                bad = _bad(folder / f"{strategy}-{number}", str(number), badness)
                found = released(door, ask, bad, ["--set", f"strategy={strategy}", *more])
                sys.stderr.write(f"{strategy}, {kind}: {found.message}\n")
                yield Outcome(**{**vars(found), "kind": kind})
        assert door("delete").code == 0


def _bad(to: Path, version: str, badness: bundles.Badness) -> Bundle:
    return bundles.stuck(to, version) if badness.stuck else bundles.scripted(to, version, badness)


def _local(state: Path, endpoint: str, good: Bundle) -> Callable[[], Answer]:
    url = f"{daemon.find(state / 'local')}/endpoints/{endpoint}/invocations"
    client = httpx.Client(trust_env=False, timeout=70)
    flowers = _flowers(good)

    def ask() -> Answer:
        row, kind = next(flowers)
        answer = client.post(url, json={"instances": [row]})
        answer.raise_for_status()
        right = json.loads(answer.text) == {"predictions": [kind]}
        return Answer(answer.text, right, answer.headers[HEADER])

    return ask


def _flowers(good: Bundle) -> Iterator[Flower]:
    """Return the data's flowers in turn: their predictions are spread as the baseline's.

    What the good model says is right.
    """
    rows = load_iris().data[::7]
    kinds = joblib.load(good.path / "model.joblib").predict(rows)
    return cycle(zip(rows.tolist(), kinds.tolist(), strict=True))


def _print(target: str, outcomes: list[Outcome]) -> None:
    columns = ("strategy", "bad by", "stopped at", "requests: own + live", "back after")
    table = Table(*columns, "exit", "message", title=f"bad releases on {target}", box=box.SIMPLE)
    for one in outcomes:
        back = f"{one.back:.1f} s" if one.back else ""
        cells = (one.strategy, one.kind, one.step, one.sent, back, str(one.code), one.message)
        table.add_row(*cells)
    Console(width=220).print(table)


if __name__ == "__main__":
    sys.exit(main())
