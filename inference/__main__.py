"""The image's door: `python -m tridock.inference serve|check|build|package|batch`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tridock.inference.extras import advice
from tridock.inference.plaintext import lines


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code: 0 done, 1 failed, 2 usage."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        options = make_parser("".join(words[:1])).parse_args(words)
        command: int = options.run(options)
    except ModuleNotFoundError as error:
        print(lines(f"error: {advice(error)}"), file=sys.stderr)
        return 2
    return command


def _serve(options: argparse.Namespace) -> int:
    from tridock.inference.process.parent_watch import watch_stdin

    if options.watch_stdin:
        watch_stdin()
    from tridock.inference.bundle import location
    from tridock.inference.errors import BundleMissingError
    from tridock.inference.settings import SettingError, Settings, port

    try:
        if options.bundle:
            location.find(options.bundle)
        settings = Settings.read(_environment(options), options.bundle)
        chosen = port(options.port, os.environ)
    except (SettingError, BundleMissingError) as error:
        print(lines(f"error: {error}"), file=sys.stderr)
        return 2
    from tridock.inference.process.serve import serve

    return serve(settings, options.host, chosen)


def _environment(options: argparse.Namespace) -> dict[str, str]:
    """Return the environment, under the options that are given."""
    given = {"TRIDOCK_ROOT_PATH": options.root_path}
    if options.cors_origin:
        given["TRIDOCK_CORS_ORIGINS"] = ",".join(options.cors_origin)
    return {**os.environ, **{name: value for name, value in given.items() if value is not None}}


def _check(options: argparse.Namespace) -> int:
    from tridock.inference.check import door

    return door.main(options)


def _package(options: argparse.Namespace) -> int:
    from tridock.inference.errors import (
        ArgumentError,
        InferenceError,
        ScriptError,
        TargetFolderError,
    )
    from tridock.inference.packaging import command as packagecommand

    try:
        return packagecommand.main(options)
    except (InferenceError, OSError) as error:
        print(lines(f"error: {error}"), file=sys.stderr)
        return 2 if isinstance(error, ArgumentError | ScriptError | TargetFolderError) else 1


def _build(options: argparse.Namespace) -> int:
    from tridock.inference.image import build

    return build.main(options)


def _batch(options: argparse.Namespace) -> int:
    from tridock.inference.batch import door

    return door.main(options)


def make_parser(command: str) -> argparse.ArgumentParser:
    """Return the parser of the room's door, with the options of one command.

    Parameters
    ----------
    command : str
        The command, or a text that is none: then `package`, `image` and `batch` have no options.
    """
    parser = argparse.ArgumentParser(prog="tridock", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    about = "answer predictions over HTTP until SIGTERM"
    _serve_options(verbs.add_parser("serve", help=about, description=about))
    about = "judge a running server, or an image, against each cloud's container contract"
    _check_options(verbs.add_parser("check", help=about, description=about))
    about = "make a bundle of a fitted scikit-learn model, or of a scoring script"
    package = verbs.add_parser("package", help=about, description=about)
    # Only this door's own help needs its options, and they cost an import of scikit-learn.
    if command == "package":
        from tridock.inference.packaging import command as packagecommand

        packagecommand.add_arguments(package)
    package.set_defaults(run=_package)
    about = "build the model server's images; say their size, list what is in them"
    build = verbs.add_parser("image", aliases=["build"], help=about, description=about)
    if command in ("image", "build"):
        from tridock.inference.image import build as building

        building.add_arguments(build)
    build.set_defaults(run=_build)
    about = "predict the rows of files: CSV, JSON Lines or Parquet; goes on after a kill"
    batch = verbs.add_parser("batch", help=about, description=about)
    if command == "batch":
        from tridock.inference.batch import door

        door.add_arguments(batch)
    batch.set_defaults(run=_batch)
    return parser


def _serve_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="bundle directory (default: /opt/ml/model, $AIP_STORAGE_URI, $AZUREML_MODEL_DIR)",
    )
    # Containers are called from outside of themselves, so every interface is the default.
    everywhere = os.environ.get("TRIDOCK_HOST") or "0.0.0.0"  # noqa: S104
    add("--host", default=everywhere, help="address to listen on (default %(default)s)")
    add(
        "--port",
        metavar="N",
        help="default: $SAGEMAKER_BIND_TO_PORT, $AIP_HTTP_PORT, $PORT, 8080",
    )
    add(
        "--root-path",
        metavar="PATH",
        help="what may come before each path, such as /models/iris (default: $TRIDOCK_ROOT_PATH)",
    )
    add(
        "--cors-origin",
        action="append",
        metavar="ORIGIN",
        help="web page whose scripts may call, such as https://app.example, or *; may be repeated "
        "(default: $TRIDOCK_CORS_ORIGINS, or none)",
    )
    add(
        "--watch-stdin",
        action="store_true",
        help="end when standard input is closed: whoever started this server is gone",
    )
    parser.set_defaults(run=_serve)


def _check_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("server", metavar="URL|IMAGE", help="http://127.0.0.1:8080, or an image here: tridock:onnx")
    clouds = ("aws", "gcp", "azure")
    add("--cloud", action="append", choices=clouds, help="only this one's; may be repeated")
    add(
        "--example",
        type=Path,
        metavar="FILE",
        help="request body that works (.json, .csv, .jsonl; default: the server's own example)",
    )
    add("--bundle", type=Path, metavar="DIR", help="of an image: what it is to serve")
    add("--memory", default="512m", help="of an image: what it may use (default %(default)s)")
    add("--json", action="store_true", help="for machines")
    parser.set_defaults(run=_check)


if __name__ == "__main__":
    sys.exit(main())
