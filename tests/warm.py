"""Commands of the kit in processes of their own that are quick to start.

A command of the deployers spends two seconds on importing its cloud's SDK. Here a server that has
imported all of them forks a process for each command. The demo, `make e2e` and the tests of the
documents start commands as a shell does.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path

#: Seconds that a command may take.
PATIENCE = 600.0
#: What the server imports before the first command: the doors, and what they import late.
IMPORTED = (
    "tridock.deploy.__main__",
    "tridock.deploy.local.target",
    "tridock.deploy.aws.target",
    "tridock.deploy.gcp.target",
    "tridock.deploy.azure.target",
    "boto3.s3.transfer",
    "google.cloud.aiplatform_v1",
    "google.cloud.storage",
    "httpcore",
)


@dataclass(frozen=True)
class Ended:
    """The exit code of a command, and what it wrote."""

    code: int
    out: str
    err: str


def run(
    module: str,
    words: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    stdin: str = "",
) -> Ended:
    """Run ``python -m MODULE WORDS`` in `folder` and return how it ended.

    A negative exit code is the number of the signal that ended it.
    """
    with ExitStack() as stack:
        streams = [stack.enter_context(tempfile.NamedTemporaryFile("w+")) for _ in range(3)]
        streams[0].write(stdin)
        streams[0].flush()
        names = [stream.name for stream in streams]
        command = (module, list(words), str(folder), dict(environment), names)
        process = _server().Process(target=_become, args=command)
        process.start()
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            process.join()
        code = process.exitcode
        process.close()
        assert code is not None
        return Ended(code, streams[1].read(), streams[2].read())


@functools.cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    return context


def _become(
    module: str, words: list[str], folder: str, environment: dict[str, str], names: list[str]
) -> None:
    """Be the command, in a process that was forked for it."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, name in enumerate(names):
        opened = os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, closefd=False) for number, mode in enumerate(("r", "w", "w"))
    )
    sys.argv = [module, *words]
    sys.modules.pop(
        f"{module}.__main__", None
    )  # it runs anew, under the name that a shell gives it
    runpy.run_module(module, run_name="__main__", alter_sys=True)
