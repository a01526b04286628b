"""`tridock init`: the files of a project that releases one model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tridock.deploy.target import names
from tridock.deploy.target.errors import ConfigError, DeployError

#: Where each file of `starter` goes.
PLACES = {
    "release.toml": "release.toml",
    "train.py": "train.py",
    "workflow.yml": ".github/workflows/model.yml",
}
#: What a repository does not keep.
IGNORED = (".tridock/", "build/")
NEXT = """\
Next:
  python train.py                     # the bundle
  tridock release                     # to this machine
  tridock release --target aws        # to the emulated SageMaker; gcp, azure"""


def start(folder: Path, name: str) -> tuple[Path, ...]:
    """Write the files of a new project, and return those written.

    Parameters
    ----------
    folder : Path
        The project.
    name : str
        Name of the model and of its endpoint.

    Raises
    ------
    ConfigError
        If the name cannot be an endpoint's, or one of the files exists: then nothing is written.
    """
    names.check("--name", name)
    files = {folder / place: _text(source, name) for source, place in PLACES.items()}
    if there := [str(path) for path in files if path.exists()]:
        raise ConfigError(
            f"{', '.join(there)} exists: move it away, or edit it. Nothing was written"
        )
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return (*files, *_ignore(folder / ".gitignore"))


def main(words: list[str] | None = None) -> int:
    """Run the command and return the exit code: 0 done, 1 failed, 2 usage."""
    parser = argparse.ArgumentParser(
        prog="tridock init",
        description="Write release.toml, train.py, .gitignore and a workflow of GitHub Actions.",
    )
    parser.add_argument("--name", help="model and endpoint (default: the folder's name)")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="default: this one")
    given = parser.parse_args(words)
    try:
        written = start(given.folder, given.name or given.folder.resolve().name)
    except (DeployError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, DeployError) else 1
    print(*(f"wrote {path}" for path in written), NEXT, sep="\n")
    return 0


def _text(source: str, name: str) -> str:
    text = (Path(__file__).parent / "starter" / source).read_text()
    return text.replace("NAME", name)


def _ignore(path: Path) -> tuple[Path, ...]:
    """Add the lines that `path` lacks."""
    before = path.read_text() if path.exists() else ""
    missing = [line for line in IGNORED if line not in before.splitlines()]
    if not missing:
        return ()
    ended = "" if not before or before.endswith("\n") else "\n"
    path.write_text(before + ended + "".join(f"{line}\n" for line in missing))
    return (path,)
