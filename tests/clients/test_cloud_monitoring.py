"""Google's own client judges the emulated Cloud Monitoring with examples/clients.

The client speaks gRPC and nothing else, and is led by the environment alone.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import requests

from tests.deploy import bundles
from tests.deploy.commandline import Door

ROOT = Path(__file__).resolve().parents[2]
PYTHON = str(ROOT / ".venvs" / "monitoring" / "bin" / "python")
SNIPPET = str(ROOT / "examples/clients/cloud_monitoring.py")
PARENT = "v1/projects/tridock-local/locations/us-central1"
#: Minutes of the emulator last a tenth of a second here, and are shown two of them later.
SHOWN = 0.5


def test_the_snippet_tells_how_an_endpoints_requests_were_answered(tmp_path: Path) -> None:
    emulator = [sys.executable, "-m", "tridock.emulators"]
    where = ["gcp", "--state", str(tmp_path / "state")]
    command = [*emulator, "env", *where, "--speed", "600"]
    said = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    cloud = dict(
        shlex.split(line)[1].split("=", 1)
        for line in said.splitlines()
        if line.startswith("export ")
    )
    try:
        door = Door("gcp", tmp_path / "state")
        bundle = bundles.good(tmp_path / "bundle", "1")
        assert door("release", "--bundle", bundle.path, "--set", "gates.requests=0").code == 0
        url = f"{cloud['TRIDOCK_GCP_URL']}/{PARENT}/endpoints/iris:predict"
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {cloud['TRIDOCK_GCP_TOKEN']}"
            for instance in ([5.1, 3.5, 1.4, 0.2], [6.0, 3.0, 4.8, 1.8], [1.0]):
                session.post(url, json={"instances": [instance]}, timeout=600)
        time.sleep(SHOWN)
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
    found = re.fullmatch(r"answers by code: (.+), p95 of all: (\d+) ms\n", printed)
    assert found, printed
    assert json.loads(found[1].replace("'", '"')) == {"2xx": 2, "4xx": 1}
    assert int(found[2]) > 0
