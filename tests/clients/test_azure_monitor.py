"""Azure's own client judges the emulated Azure Monitor with examples/clients/azure_monitor.py."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from tests.deploy import bundles
from tests.deploy.commandline import Door
from tests.deploy.staging import name_of

ROOT = Path(__file__).resolve().parents[2]
PYTHON = str(ROOT / ".venvs" / "azuremonitor" / "bin" / "python")
SNIPPET = str(ROOT / "examples/clients/azure_monitor.py")
#: Minutes of the emulator last a tenth of a second here, and are told when they are over.
TOLD = 0.3


def test_the_snippet_tells_how_an_endpoints_requests_were_answered(tmp_path: Path) -> None:
    emulator = [sys.executable, "-m", "tridock.emulators"]
    where = ["azure", "--state", str(tmp_path / "state")]
    command = [*emulator, "env", *where, "--speed", "600"]
    said = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    cloud = dict(
        shlex.split(line)[1].split("=", 1)
        for line in said.splitlines()
        if line.startswith("export ")
    )
    try:
        door = Door("azure", tmp_path / "state")
        bundle = bundles.good(tmp_path / "bundle", "1")
        assert door("release", "--bundle", bundle.path, "--set", "gates.requests=0").code == 0
        for row, code in (([5.1, 3.5, 1.4, 0.2], 0), ([6.0, 3.0, 4.8, 1.8], 0), ([1.0], 1)):
            assert door("invoke", "--data", json.dumps({"instances": [row]})).code == code
        time.sleep(TOLD)
        printed = subprocess.run(
            [PYTHON, SNIPPET, "iris"],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **cloud},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
    finally:
        subprocess.run([*emulator, "down", *where], cwd=ROOT, check=True)
    lines = printed.splitlines()
    name = name_of(bundle)
    assert lines[:2] == [
        f"{name}: 2 requests answered 200, of the model 200",
        f"{name}: 1 requests answered 424, of the model 400",
    ]
    found = re.fullmatch(r"p95 of all: (\d+) ms", lines[2])
    assert found, printed
    assert int(found[1]) > 0
