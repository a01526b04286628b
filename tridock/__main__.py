"""The command `tridock`: find the room that has a verb, import it, and run it there."""

from __future__ import annotations

import os
import sys
from importlib import import_module

#: Each verb: the room that has it, and one line about it.
VERBS: dict[str, tuple[str, str]] = {
    "init": ("deploy.cli.init", "write the files of a new project"),
    "package": ("inference", "make a bundle of a fitted model and a sample of its input"),
    "serve": ("inference", "serve a bundle over HTTP"),
    "batch": ("inference", "predict the rows of files"),
    "check": ("inference", "check a server or an image against each cloud's contract"),
    "image": ("inference", "build the container images of the model server"),
    "doctor": ("deploy", "check settings, credentials, permissions and the bundle"),
    "models": ("deploy", "register, list, approve and name models"),
    "plan": ("deploy", "show what a release would change, and its cost"),
    "release": ("deploy", "release a bundle to an endpoint, in steps with checks"),
    "status": ("deploy", "show endpoints, deployments, traffic and digests"),
    "invoke": ("deploy", "send a request to an endpoint"),
    "traffic": ("deploy", "show or set the split of traffic"),
    "compare": ("deploy", "compare the deployments of an experiment"),
    "promote": ("deploy", "end an experiment: the new deployment gets all traffic"),
    "stop": ("deploy", "end an experiment: the old deployment keeps all traffic"),
    "rollback": ("deploy", "move traffic back to the release before"),
    "logs": ("deploy", "print the log of a deployment's model server"),
    "delete": ("deploy", "delete an endpoint and all that it holds"),
    "sweep": ("deploy", "delete what interrupted releases left"),
    "emulators": ("emulators", "start and end the emulated clouds"),
    "demo": ("examples.demo", "release, update and roll back in three emulated clouds"),
}
#: What people type first.
EXAMPLES = (
    "tridock init --name mine",
    "tridock package --model model.joblib --sample sample.csv --name mine",
    "tridock serve --bundle build/mine/bundle",
    "tridock release --target aws --endpoint mine --bundle build/mine/bundle",
    "tridock emulators up aws",
)


def main(words: list[str] | None = None) -> int:
    """Run one verb and return its exit code; 2 if there is no such verb.

    Parameters
    ----------
    words : list of str, optional
        The command line without the program's name; by default this process's.
    """
    if "_ARGCOMPLETE" in os.environ:
        from tridock.completion import complete

        complete(VERBS, os.environ["COMP_LINE"])
    given = sys.argv[1:] if words is None else words
    verb = given[0] if given else "--help"
    if verb in ("--help", "-h"):
        return _print(_help(), 0 if given else 2)
    if verb == "--version":
        return _print(f"tridock {_version()}", 0)
    if verb not in VERBS:
        print(f"error: unknown verb {verb!r}: `tridock --help` lists all", file=sys.stderr)
        return 2
    room = VERBS[verb][0]
    return _run(room, given if room in ("inference", "deploy") else given[1:])


def _run(room: str, words: list[str]) -> int:
    name = f"tridock.{room}" if "." in room else f"tridock.{room}.__main__"
    try:
        module = import_module(name)
        return int(module.main(words))
    except ModuleNotFoundError as error:
        from tridock.inference.extras import advice

        print(f"error: {advice(error)}", file=sys.stderr)
        return 2


def _help() -> str:
    lines = ["usage: tridock VERB …", "", "`tridock VERB --help` shows the options of a verb.", ""]
    lines += [f"  {verb:<10} {about}" for verb, (_, about) in VERBS.items()]
    lines += ["", "examples:", *(f"  {example}" for example in EXAMPLES)]
    return "\n".join(lines)


def _version() -> str:
    from importlib import metadata  # 30 ms that `--help` does not need

    try:
        return metadata.version("tridock")
    except metadata.PackageNotFoundError:
        return "of a checkout"


def _print(text: str, code: int) -> int:
    print(text)
    return code


if __name__ == "__main__":
    sys.exit(main())
