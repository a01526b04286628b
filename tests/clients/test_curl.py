"""curl sends the calls that a release ends with, pasted into a shell."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy import bundles
from tests.deploy.commandline import ROOT, Door

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.mark.parametrize("target", ["local", "aws"])
def test_the_curl_call_of_a_release_is_answered(target: str, tmp_path: Path) -> None:
    bundle = bundles.good(tmp_path / "bundle", "1")
    door = Door(target, tmp_path / "state")
    try:
        said = door("release", "--bundle", bundle.path, "--json")
        assert said.code == 0, said.err
        snippets = said.json()["snippets"]
        pasted = ["bash", "-c", f"{snippets.get('shell', '')}\n{snippets['curl']}"]
        printed = subprocess.run(pasted, cwd=ROOT, capture_output=True, text=True, check=True)
    finally:
        door("delete")
        down = [
            sys.executable,
            "-m",
            "tridock.emulators",
            "down",
            "aws",
            "--state",
            str(door.state),
        ]
        subprocess.run(down, cwd=ROOT, check=True)
    expected = [bundle.manifest.examples[0].prediction]
    assert json.loads(printed.stdout)["predictions"] == expected
