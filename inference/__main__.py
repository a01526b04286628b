"""The image's door: `python -m inference serve|check|package`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code: 0 done, 1 failed, 2 usage."""
    options = _parser().parse_args(arguments)
    command: int = options.run(options)
    return command


def _serve(options: argparse.Namespace) -> int:
    from inference.parent import watch_stdin

    if options.watch_stdin:
        watch_stdin()
    from inference.settings import SettingError, Settings, port

    try:
        settings = Settings.read(os.environ, options.bundle)
        chosen = port(options.port, os.environ)
    except SettingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    from inference.server import serve

    return serve(settings, options.host, chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m inference", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    about = "answer predictions over HTTP until SIGTERM"
    serve = verbs.add_parser("serve", help=about, description=about)
    serve.add_argument(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="bundle directory (default: /opt/ml/model, $AIP_STORAGE_URI, $AZUREML_MODEL_DIR)",
    )
    # Containers are called from outside of themselves, so every interface is the default.
    serve.add_argument("--host", default="0.0.0.0", help="address to listen on (%(default)s)")  # noqa: S104
    serve.add_argument(
        "--port",
        metavar="N",
        help="default: $SAGEMAKER_BIND_TO_PORT, $AIP_HTTP_PORT, $PORT, 8080",
    )
    serve.add_argument(
        "--watch-stdin",
        action="store_true",
        help="end when standard input is closed: whoever started this server is gone",
    )
    serve.set_defaults(run=_serve)
    return parser


if __name__ == "__main__":
    sys.exit(main())
