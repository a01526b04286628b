"""Models of the kinds that public repositories hold are served as they predict by themselves.

`python -m tests.zoo` prints the table for all of them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Those whose kind no other test packages.
WORDS = ("imputer of", "infrequent", "ordinal", "two kinds", "logarithm", "nullable", "lambda")


def test_the_models_of_public_repositories_are_served_as_they_predict() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.zoo", *WORDS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 wrong" in done.stdout
