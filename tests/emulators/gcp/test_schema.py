"""The schemas that the emulator keeps are those of Google's libraries that are installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tridock.emulators import coverage
from tridock.emulators.gcp.front.handlers import HANDLERS
from tridock.emulators.gcp.protocol.schema import Schema

ROOT = Path(__file__).resolve().parents[3]
COMPARE = """
import json
from tridock.emulators.gcp.schemas.__main__ import FOLDER, SOURCES, _methods
different = []
for source in SOURCES:
    kept = json.loads((FOLDER / f"{source.name}.json").read_text())
    methods, known = _methods(source)
    if (kept["methods"], kept["known"]) != (methods, known):
        different.append(source.name)
print(json.dumps(different))
"""


def test_the_routes_are_those_of_the_installed_libraries() -> None:
    command = [sys.executable, "-W", "ignore", "-c", COMPARE]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == []


def test_every_handler_is_of_a_method_that_google_has() -> None:
    assert set(HANDLERS) <= set(Schema.load().methods)


def test_the_document_lists_what_is_emulated() -> None:
    document = (ROOT / "docs" / "emulators.md").read_text()
    text = coverage.markdown(coverage.coverage("gcp"))
    assert coverage.rewritten(document, "gcp", text) == document
