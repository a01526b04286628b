"""Where deployers stand ready: a process that has imported everything forks one when it is asked.

Not `multiprocessing`'s fork server, of which a process has one: each target has its own stable.
"""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from tests.ordeal.blows import Blow, struck
from tests.ordeal.points import Point
from tridock.deploy.__main__ import main as deploy
from tridock.deploy.cli.session import Session
from tridock.deploy.config.load import Config
from tridock.deploy.progress import Progress
from tridock.deploy.target import plugins
from tridock.deploy.target.protocol import Target
from tridock.deploy.waiting.retry import Policy, retrying

#: Parts of the adapters that make a client when they are first used.
CLIENTS = (
    "sagemaker",
    "s3",
    "runtime",
    "logs",
    "client",
    "http",
    "storage",
    "endpoints",
    "models",
    "services",
    "revisions",
)

#: Trials are many: tries come faster after one another than they do for people.
POLICY = Policy(patience=30.0, first=0.02, longest=1.0)


def opened(name: str, settings: dict[str, str]) -> Target:
    """Open a target, and its clients; nothing is connected yet."""
    target = plugins.open_target(name, settings)
    account = getattr(target, "account", None)
    for client in CLIENTS:
        if hasattr(type(account), client):
            getattr(account, client)
    return target


def main() -> None:
    """Obey orders, one a line, until there are no more."""
    told = json.loads(sys.argv[1])
    target = opened(told["target"], told["settings"])
    gc.freeze()  # what all deployers share is looked through by none of them
    started: set[int] = set()
    ended: dict[int, int] = {}
    for line in sys.stdin:
        order = json.loads(line)
        answer = _polled(order["poll"], ended) if "poll" in order else None
        if "words" in order:
            answer = os.fork()
            if not answer:
                _be(target, told, order)
            started.add(answer)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for pid in started:
        if _polled(pid, ended) is None:  # the ordeal was ended in the middle
            os.kill(pid, signal.SIGKILL)


def _polled(pid: int, ended: dict[int, int]) -> int | None:
    """Return a deployer's exit code, negative for a signal; None while it runs."""
    if pid not in ended:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            ended[pid] = os.waitstatus_to_exitcode(status)
    return ended.get(pid)


def _be(target: Target, told: dict[str, Any], order: dict[str, Any]) -> NoReturn:
    """Be ``python -m tridock.deploy WORDS`` with a target that is open already."""
    random.seed()
    output = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, source in ((0, nothing), (1, output), (2, output)):
        os.dup2(source, number)
    blow = order["blow"]
    if blow:
        point = Point(**blow["point"])
        target = struck(target, Blow(**{**blow, "notes": Path(blow["notes"]), "point": point}))

    def connect(config: Config, say: Progress, *, live: bool) -> Session:
        config = replace(config, settings={**config.settings, **told["settings"]})
        cloud = plugins.find(told["target"])
        return Session(config, cloud, retrying(target, POLICY), live, say)

    code = deploy(order["words"], connect=connect)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
