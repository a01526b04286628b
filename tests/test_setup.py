"""The set-up: `make setup PYTHON=…` makes the environment anew where it is another Python's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("held", "words", "is_made"),
    [
        ("0.0.1", [f"PYTHON={sys.executable}"], True),
        ("0.0.1", [], False),
        (sys.version.split()[0], [f"PYTHON={sys.executable}"], False),
    ],
)
def test_another_python_that_is_named_replaces_the_one_of_the_environment(
    held: str, words: list[str], is_made: bool, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.lock", ".ci/uv.txt", ".ci/setup", ".venv/bin/python", ".venv/ready"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    python = tmp_path / ".venv/bin/python"
    python.write_text(f"#!/bin/sh\necho Python {held}\n")
    python.chmod(0o755)
    # A make that runs these tests passes its own words on, in MAKEFLAGS.
    kept = (name for name in os.environ if name != "PYTHON" and not name.startswith("MAKE"))
    environment = {name: os.environ[name] for name in kept}
    done = subprocess.run(
        ["make", "-n", "setup", *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (".ci/setup" in done.stdout) is is_made
