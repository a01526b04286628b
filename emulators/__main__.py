"""The emulators' door: `python -m emulators up|down|status|logs|env|run`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import sys
from pathlib import Path

from emulators import daemon
from emulators.clock import DEFAULT_SPEED
from emulators.errors import EmulatorError
from emulators.fleet import RUNNERS
from emulators.place import CLOUDS, STATE, Place


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code: 0 done, 1 failed, 2 usage."""
    options = _parser().parse_args(arguments)
    try:
        return int(COMMANDS[options.command](options))
    except EmulatorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _up(options: argparse.Namespace) -> int:
    for place in _places(options):
        running = daemon.up(place)
        _say(f"{place.cloud} emulator is up (pid {running.pid}), log {place.log}")
    return 0


def _down(options: argparse.Namespace) -> int:
    for place in _places(options):
        ended = daemon.down(place)
        _say(f"{place.cloud} emulator {'ended' if ended else 'was not up'}")
    return 0


def _status(options: argparse.Namespace) -> int:
    found = {place.cloud: daemon.find(place) for place in _places(options)}
    if options.json:
        _say(json.dumps({cloud: bool(running) for cloud, running in found.items()}))
    else:
        for cloud, running in found.items():
            _say(f"{cloud:<6} {f'up, pid {running.pid}' if running else 'down'}")
    return 0


def _logs(options: argparse.Namespace) -> int:
    for place in _places(options):
        if place.log.exists():
            _say(place.log.read_text(errors="replace").rstrip())
    return 0


def _env(options: argparse.Namespace) -> int:
    daemon.up(_place(options, options.cloud))
    for name, value in daemon.environment(_place(options, options.cloud)).items():
        _say(f"export {name}={shlex.quote(value)}")
    return 0


def _run(options: argparse.Namespace) -> int:
    command = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not command:
        _parser().error("run needs a command: python -m emulators run aws -- python script.py")
    variables = daemon.up(_place(options, options.cloud)).environment
    os.execvpe(command[0], command, {**os.environ, **variables})


def _serve(options: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    daemon.serve(_place(options, options.cloud))
    return 0


COMMANDS = {
    "up": _up,
    "down": _down,
    "status": _status,
    "logs": _logs,
    "env": _env,
    "run": _run,
    "serve": _serve,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m emulators", description=__doc__)
    verbs = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for verb, about in (
        ("up", "start the emulators (all by default) and return when they answer"),
        ("down", "end them and their model servers"),
        ("status", "say which are up"),
        ("logs", "print their logs"),
    ):
        several = verbs.add_parser(verb, help=about, description=about)
        several.add_argument("clouds", nargs="*", metavar="CLOUD", help=" ".join(CLOUDS))
        _settings(several)
    verbs.choices["status"].add_argument("--json", action="store_true", help="for machines")
    for verb, about in (
        ("env", "print `export NAME=value` lines that lead unmodified clients to the emulator"),
        ("run", "run a command whose clients are led to the emulator"),
        ("serve", "be an emulator in the foreground (what `up` starts)"),
    ):
        one = verbs.add_parser(verb, help=about, description=about)
        one.add_argument("cloud", choices=CLOUDS)
        _settings(one)
    verbs.choices["run"].add_argument(
        "words", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the command and its words"
    )
    return parser


def _settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", type=Path, default=STATE, metavar="DIR", help="where it keeps")
    parser.add_argument("--runner", choices=sorted(RUNNERS), default="process")
    parser.add_argument(
        "--speed",
        type=float,
        default=DEFAULT_SPEED,
        help="seconds of the service that pass in a real one (default %(default)g)",
    )


def _places(options: argparse.Namespace) -> list[Place]:
    unknown = set(options.clouds) - set(CLOUDS)
    if unknown:
        _parser().error(f"unknown cloud {', '.join(sorted(unknown))}: choose {', '.join(CLOUDS)}")
    return [_place(options, cloud) for cloud in options.clouds or CLOUDS]


def _place(options: argparse.Namespace, cloud: str) -> Place:
    return Place(cloud, options.state.resolve(), options.runner, options.speed)


def _say(text: str) -> None:
    print(text)


if __name__ == "__main__":
    sys.exit(main())
