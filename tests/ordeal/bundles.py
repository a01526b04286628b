"""Three versions of a model that is up at once and answers with its version."""

from __future__ import annotations

import json
from pathlib import Path

from tridock.deploy.target.records import deployment_name
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.packaging.package import About, package_script

VERSIONS = ("1", "2", "3")
REQUEST = json.dumps({"instances": [[0.0]]}).encode()

SCRIPT = """\
def init():
    pass


def run(data):
    return {{"predictions": ["{version}"]}}
"""


def make(folder: Path) -> dict[str, Bundle]:
    """Make the bundles, by version, and the request beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "request.json").write_bytes(REQUEST)
    return {version: _made(folder, version) for version in VERSIONS}


def name_of(bundle: Bundle) -> str:
    return deployment_name(bundle.version, bundle.digest)


def version_of(answer: bytes) -> str:
    """Return which version answered; empty if the answer is none of ours."""
    try:
        return str(json.loads(answer)["predictions"][0])
    except (ValueError, KeyError, IndexError, TypeError):
        return ""


def _made(folder: Path, version: str) -> Bundle:
    script = folder / f"script-{version}" / "score.py"
    script.parent.mkdir(exist_ok=True)
    script.write_text(SCRIPT.format(version=version))
    return package_script(folder / version, about=About("ordeal", version, script=script))
