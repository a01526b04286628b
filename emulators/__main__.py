"""The emulators' door: `tridock emulators up|down|status|logs|env|run`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from tridock.emulators import daemon
from tridock.emulators.clock import DEFAULT_SPEED
from tridock.emulators.control import Status, ask
from tridock.emulators.coverage import coverage, markdown, plain, rewritten
from tridock.emulators.errors import CommandError, EmulatorError, PlanError
from tridock.emulators.faults import load_faults
from tridock.emulators.place import CLOUDS, STATE, Place
from tridock.emulators.runners import RUNNERS

#: Real seconds between two looks at growing files.
INTERVAL = 0.2


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code: 0 done, 1 failed, 2 usage; of `run`, its own."""
    given, words = _apart(sys.argv[1:] if arguments is None else arguments)
    options = make_parser().parse_args(given)
    options.words = words
    try:
        return int(COMMANDS[options.command](options))
    except EmulatorError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:  # E.g. a full disk; `down` needs no room.
        print(f"error: {error}; choose another folder with --state", file=sys.stderr)
        return 2 if isinstance(error, NotADirectoryError | PermissionError) else 1
    except KeyboardInterrupt:
        return 130


def _apart(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Split our own arguments from those of a command behind ``--``."""
    if "--" not in arguments:
        return arguments, []
    place = arguments.index("--")
    return arguments[:place], arguments[place + 1 :]


def _up(options: argparse.Namespace) -> int:
    failed = 0
    faults = _faults(options.faults) if options.faults else None
    for place in _places(options):
        try:
            running = _started(place)
            if faults is not None:
                ask(running, "PUT", "faults", faults)
        except EmulatorError as error:
            print(f"error: {error}", file=sys.stderr)
            failed = max(failed, error.exit_code)
        else:
            _say(f"{place.cloud} emulator is up (pid {running.pid}), log {place.log}")
    return failed


def _started(place: Place) -> daemon.Running:
    running = daemon.up(place)
    for notice in daemon.notices(place):
        print(f"warning: {notice}", file=sys.stderr)
    return running


def _faults(file: Path) -> object:
    try:
        load_faults(file)
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise PlanError(f"--faults {file} is no plan of faults: {error}") from error


def _down(options: argparse.Namespace) -> int:
    for place in _places(options):
        ended = daemon.down(place)
        _say(f"{place.cloud} emulator {'ended' if ended else 'was not up'}")
    return 0


def _status(options: argparse.Namespace) -> int:
    statuses = {place.cloud: Status.of(daemon.find(place)) for place in _places(options)}
    if options.json:
        _say(json.dumps({cloud: asdict(status) for cloud, status in statuses.items()}, indent=2))
    else:
        for cloud, status in statuses.items():
            _say(f"{cloud:<6} {status}")
    return 0


def _logs(options: argparse.Namespace) -> int:
    logs = [place.log for place in _places(options)]
    for text in follow(logs) if options.follow else map(read, logs):
        sys.stdout.write(text)
        sys.stdout.flush()
    return 0


def _env(options: argparse.Namespace) -> int:
    running = _started(_place(options, options.cloud))
    for name in running.unset(os.environ):
        _say(f"unset {name}")
    for name, value in running.environment.items():
        _say(f"export {name}={shlex.quote(value)}")
    return 0


def _run(options: argparse.Namespace) -> int:
    if not options.words:
        make_parser().error("run needs a command: tridock emulators run aws -- python script.py")
    variables = _started(_place(options, options.cloud)).applied(os.environ)
    try:
        os.execvpe(options.words[0], options.words, variables)
    except OSError as error:
        raise CommandError(f"{options.words[0]}: {error.strerror}") from error


def _operations(options: argparse.Namespace) -> int:
    services = coverage(options.cloud)
    if options.write:
        document = rewritten(options.write.read_text(), options.cloud, markdown(services))
        options.write.write_text(document)
        return 0
    _say(markdown(services) if options.markdown else plain(services))
    return 0


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
    "operations": _operations,
    "serve": _serve,
}


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the room's door."""
    parser = argparse.ArgumentParser(prog="tridock emulators", description=__doc__)
    verbs = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for verb, about in (
        ("up", "start the emulators (all by default) and return when they answer"),
        ("down", "end them and their model servers"),
        ("status", "say which are up, where, since when, and with how many model servers"),
        ("logs", "print their logs"),
    ):
        several = verbs.add_parser(verb, help=about, description=about)
        several.add_argument("clouds", nargs="*", metavar="CLOUD", help=" ".join(CLOUDS))
        _settings(several)
    verbs.choices["up"].add_argument(
        "--faults", type=Path, metavar="FILE", help="calls that are to go wrong, as JSON"
    )
    verbs.choices["status"].add_argument("--json", action="store_true", help="for machines")
    verbs.choices["logs"].add_argument("--follow", "-f", action="store_true", help="go on reading")
    for verb, about in (
        ("env", "print `export` and `unset` lines that lead unmodified clients to the emulator"),
        ("run", "run a command whose clients are led to the emulator"),
        ("operations", "list which of the cloud's operations are emulated"),
        ("serve", "be an emulator in the foreground (what `up` starts)"),
    ):
        command = verbs.add_parser(verb, help=about, description=about)
        command.add_argument("cloud", choices=CLOUDS)
        _settings(command)
    operations = verbs.choices["operations"]
    operations.add_argument("--markdown", action="store_true", help="for a document")
    operations.add_argument("--write", type=Path, metavar="FILE", help="renew that document")
    verbs.choices["run"].usage = "tridock emulators run CLOUD [options] -- COMMAND ..."
    return parser


def _settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", type=Path, default=STATE, metavar="DIR", help="where it keeps")
    parser.add_argument(
        "--runner",
        choices=sorted(RUNNERS),
        help="model servers are processes, or containers of the image that a release names "
        "(default: as last time, else process)",
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=DEFAULT_SPEED,
        help="seconds of the service that pass in a real one (default %(default)g)",
    )
    parser.add_argument(
        "--any-credentials",
        action="store_true",
        help="accept credentials that the emulator did not issue, for suites that bring their own",
    )


def _places(options: argparse.Namespace) -> list[Place]:
    unknown = set(options.clouds) - set(CLOUDS)
    if unknown:
        make_parser().error(
            f"unknown cloud {', '.join(sorted(unknown))}: choose {', '.join(CLOUDS)}"
        )
    return [_place(options, cloud) for cloud in options.clouds or CLOUDS]


def _place(options: argparse.Namespace, cloud: str) -> Place:
    place = Place(cloud, options.state.resolve(), speed=options.speed)
    runner = options.runner or place.remembered()
    return replace(place, runner=runner, any_credentials=options.any_credentials)


def _say(text: str) -> None:
    print(text)


def read(path: Path) -> str:
    """Return the text of a log; an empty string if there is no log yet."""
    return path.read_text(errors="replace") if path.exists() else ""


def follow(paths: Sequence[Path]) -> Iterator[str]:
    """Yield the content of the logs, then each addition to them, without end."""
    offsets = dict.fromkeys(paths, 0)
    while True:
        for path in paths:
            text = _from(path, offsets[path])
            offsets[path] += len(text)
            if text:
                yield text.decode(errors="replace")
        time.sleep(INTERVAL)


def _from(path: Path, offset: int) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as log:
        log.seek(offset)
        return log.read()


if __name__ == "__main__":
    sys.exit(main())
