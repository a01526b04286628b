"""Tab completion: what a shell that has loaded it offers after some words."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ASK = """
eval "$(register-python-argcomplete tridock)"
COMP_LINE={line!r} COMP_POINT={point} COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
COMP_TYPE=9 COMP_CWORD=1
COMP_WORDS=({line})
_python_argcomplete tridock
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return variables with which a shell finds the command `tridock` of this checkout."""
    folder = tmp_path_factory.mktemp("bin")
    command = folder / "tridock"
    command.write_text(f"#!{sys.executable} -P\nimport tridock.__main__ as m\nexit(m.main())\n")
    command.chmod(0o755)
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


def offered(line: str, environment: dict[str, str], folder: Path) -> set[str]:
    """Return what bash offers after `line`, by the function that argcomplete registers there."""
    command = ["bash", "--norc", "-c", ASK.format(line=line, point=len(line))]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return {word.strip() for word in done.stdout.split("\n")} - {""}


@pytest.mark.skipif(not shutil.which("bash"), reason="this machine has no bash")
@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("tridock rel", {"release"}),
        ("tridock ", {"init", "package", "release", "emulators", "demo"}),
        ("tridock release --end", {"--endpoint", "--end-experiment"}),
        ("tridock models app", {"approve"}),
        ("tridock emulators st", {"status"}),
        ("tridock emulators run a", {"aws", "azure"}),
        ("tridock package --sam", {"--sample"}),
        ("tridock serve --bund", {"--bundle"}),
    ],
)
def test_a_shell_offers_the_words_that_may_follow(
    line: str, some: set[str], environment: dict[str, str], tmp_path: Path
) -> None:
    assert some <= offered(line, environment, tmp_path)
