"""The deployers' door: `tridock release|plan|status|invoke|traffic|rollback|logs|…`."""

from __future__ import annotations

import errno
import logging
import shutil
import signal
import sys
from collections.abc import Callable
from types import FrameType

from tridock.deploy.cli import arguments, commands, session
from tridock.deploy.config import load
from tridock.deploy.progress import Progress
from tridock.deploy.target.errors import ConfigError, DeployError
from tridock.inference import extras, plaintext
from tridock.inference.errors import BundleMissingError, InferenceError

#: What a shell reports of a command that Ctrl-C ended.
INTERRUPTED = 130


#: What a file system without room, or without leave to write, answers.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)

#: Opens the session of a command, as `session.connect` does.
Connect = Callable[..., session.Session]


def main(words: list[str] | None = None, *, connect: Connect = session.connect) -> int:
    """Run one command and return the exit code; `deploy.cli.arguments.EXIT_CODES` lists them."""
    options = arguments.parse(words)
    plaintext.log_to_stderr(logging.WARNING, "%(name)s: %(message)s")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        read = load.load(options.file or load.in_folder(), arguments.flags(options))
        commands.run(options, connect(read, Progress(), live=options.live))
    except DeployError as error:
        return _fail(error, error.exit_code)
    except BundleMissingError as error:
        return _fail(error, 2)
    except InferenceError as error:
        return _fail(error, 1)
    except ModuleNotFoundError as error:
        return _fail(ConfigError(extras.advice(error)), 2)
    except OSError as error:
        return _fail(_told(error), 1)
    except KeyboardInterrupt as error:
        return _fail(error, INTERRUPTED)
    return 0


def _told(error: OSError) -> OSError | DeployError:
    """Return what the file system refuses in one line; anything else as it is."""
    if isinstance(error, shutil.Error) and error.args and error.args[0]:
        return DeployError(f"files cannot be copied: {error.args[0][0][-1]}")
    if error.errno not in DISK:
        return error
    return DeployError(
        f"{error.filename or 'a file'} cannot be written: {error.strerror}. Make room on its disk "
        "(`delete` needs none), or name a folder on another one with --state"
    )


def _fail(error: BaseException, code: int) -> int:
    said = "\n".join([str(error) or "interrupted", *getattr(error, "__notes__", ())])
    print(plaintext.lines(f"error: {said}"), file=sys.stderr)
    return code


def _interrupt(_: int, __: FrameType | None) -> None:
    """Treat SIGTERM as Ctrl-C: a release that a CI job cancels puts traffic back, too."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
