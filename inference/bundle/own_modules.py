"""Modules of the user's own that a model needs: named at packaging, kept in the bundle, imported.

A pickle holds classes and functions by the names of their modules; the server has only its own
libraries.
"""

from __future__ import annotations

import pickle
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from tridock.inference.errors import ArgumentError, PackagingError

#: Where the modules are in a bundle.
FOLDER = "modules"
#: The folder that `tridock` is imported from, and the one of this package.
ROOT = Path(__file__).absolute().parents[3]
PACKAGE = Path(__file__).resolve().parents[1]
#: Names that the server imports itself.
TAKEN = {"tridock", *sys.stdlib_module_names}
#: Loads a bundle's stored model where nothing but libraries and the bundle can be imported.
PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.model import engine
from tridock.inference.errors import BundleError
sys.path.remove(sys.argv[2])
try:
    engine.model(Bundle.read(Path(sys.argv[1])), {"TRIDOCK_ENGINE": "joblib"})
except BundleError as error:
    sys.exit(str(error))
"""


class _References(pickle.Pickler):
    """A pickler that notes the modules of all classes and functions, and writes nothing."""

    def __init__(self) -> None:
        super().__init__(_Nowhere(), protocol=5, buffer_callback=lambda buffer: None)
        self.found: set[tuple[str, str]] = set()

    def reducer_override(self, held: Any) -> Any:
        """Note one object's class, or the object where it is a class or function itself."""
        named = held if isinstance(held, type) or hasattr(held, "__qualname__") else type(held)
        module = getattr(named, "__module__", None)
        if isinstance(module, str):
            self.found.add((module, named.__qualname__))
        return NotImplemented


class _Nowhere:
    def write(self, data: bytes) -> int:
        return len(data)


def references(estimator: Any) -> set[tuple[str, str]]:
    """Return module and name of every class and function that a stored estimator needs."""
    collected = _References()
    try:
        collected.dump(estimator)
    except Exception:  # Storing it will say what cannot be stored.
        return collected.found
    return collected.found


def own(named: Iterable[tuple[str, str]]) -> list[str]:
    """Return the modules among these that are neither Python's nor an installed library's."""
    names = {module for module, _ in named} - {"__main__"}
    return sorted(name for name in names if name in sys.modules and _is_own(sys.modules[name]))


def place(source: Path | None, modules: list[str], folder: Path) -> str | None:
    """Copy a user's modules into a bundle, and return the path of their folder in it.

    Parameters
    ----------
    source : Path or None
        A module's file, a package's folder, or a folder with modules.
    modules : list of str
        Those that the model needs.
    folder : Path
        Of the bundle.

    Raises
    ------
    PackagingError
        If a module that is needed does not come with it.
    """
    if source is None:
        if modules:
            raise PackagingError(_advice(modules[0]))
        return None
    if not source.exists():
        raise ArgumentError(f"--code {source}: there is no such file or folder")
    target = folder / FOLDER
    _copy(source.resolve(), {name.partition(".")[0] for name in modules}, target)
    for name in modules:
        base = target.joinpath(*name.split("."))
        if not (base.is_dir() or base.with_suffix(".py").is_file()):
            raise PackagingError(f"{_advice(name)}; --code {source} does not have it")
    if taken := sorted(TAKEN & {each.stem for each in target.iterdir()}):
        raise PackagingError(f"the module {taken[0]} has a name that the server uses: rename it")
    return FOLDER


def make_importable(bundle: Path, folder: str | None) -> None:
    """Put a bundle's own modules on the import path, behind all libraries."""
    if folder is None:
        return
    # A __pycache__ beside them would be a file that the manifest does not list.
    sys.dont_write_bytecode = True
    path = str((bundle / folder).resolve())
    if path not in sys.path:
        sys.path.append(path)


def check_alone(bundle: Path) -> None:
    """Load a bundle's stored model in a new process that has only libraries and the bundle.

    Raises
    ------
    PackagingError
        If it does not load.
    """
    command = [sys.executable, "-I", "-c", PROGRAM, str(bundle.resolve()), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=bundle)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it ended without a word"]
        raise PackagingError(f"the bundle does not load on its own: {lines[-1]}. Complete --code")


def _is_own(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    if not file:
        return False
    path = Path(file).resolve()
    if path.is_relative_to(PACKAGE):
        return False
    return not any(path.is_relative_to(place) for place in _libraries())


def _libraries() -> list[Path]:
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return [Path(path).resolve() for path in (*paths, *site.getsitepackages(), *_user_site())]


def _user_site() -> list[str]:
    return [site.getusersitepackages()] if site.ENABLE_USER_SITE else []


def _copy(source: Path, packages: set[str], target: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    if source.is_file():
        target.mkdir()
        shutil.copyfile(source, target / source.name)
    elif (source / "__init__.py").is_file() or source.name in packages:
        shutil.copytree(source, target / source.name, ignore=ignored)
    else:
        shutil.copytree(source, target, ignore=ignored)


def _advice(module: str) -> str:
    top = module.partition(".")[0]
    file = getattr(sys.modules.get(top) or sys.modules.get(module), "__file__", None)
    path = Path(file) if file else Path(f"{top}.py")
    shown = path.parent if path.name == "__init__.py" else path
    return (
        f"the model needs the module {module}, which is no installed library, so the server does "
        f"not have it: package it with --code {shown}"
    )
