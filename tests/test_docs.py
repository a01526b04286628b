"""The documents are held true: links, commands, verbs, exit codes, and the snippets they show."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tridock.deploy.cli import arguments
from tridock.deploy.target import errors, plugins

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
#: Folders that are ours; build/ and environments are not.
PLACES = (".", "docs", "docs/decisions", "examples", "examples/*")
DOCUMENTS = sorted({path for place in PLACES for path in ROOT.glob(f"{place}/*.md")})
ROOMS = "inference|assurance|training|deploy|emulators|examples|tests|docs"


def _links(document: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" not in link and not link.startswith("mailto:"):
            yield link


@cache
def _make_targets() -> set[str]:
    """What `make help` lists, with T replaced by each target."""
    printed = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    names = re.findall(r"^  ([a-z0-9]+(?:-[a-zT]+)*) ", printed, re.MULTILINE)
    releases = re.findall(r"T is one of: ([a-z ]+)\.", printed)[0].split()
    return {name.replace("T", one) for name in names for one in releases}


def _named(pattern: str, text: str) -> list[str]:
    return sorted(set(re.findall(pattern, text)))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_inside_the_repository_leads_somewhere(document: Path) -> None:
    lost = [link for link in _links(document) if not _target(document, link).exists()]
    assert lost == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_a_document_names_exists(document: Path) -> None:
    named = _named(rf"`((?:{ROOMS})/[\w/.-]+\.\w+)`", document.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_table_of_where_a_line_belongs_names_what_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## Where a line belongs")[2]
    rows = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("| ")][1:]
    places = [re.findall(r"`([\w/.]+)`", row.split("|")[2]) for row in rows]
    assert len(rows) > 9
    assert all(places)
    assert [place for row in places for place in row if not (ROOT / place).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_a_document_names_exists(document: Path) -> None:
    named = _named(r"(?:^|`)make ([a-z0-9]+(?:-[a-z]+)*)", document.read_text())
    assert set(named) <= _make_targets()


def test_the_readme_names_every_make_target() -> None:
    told = set(_named(r"`(?:make )?([a-z0-9]+(?:-[a-z]+)*)", README))
    others = tuple(f"-{target}" for target in plugins.TARGETS if target != "aws")
    assert {name for name in _make_targets() if not name.endswith(others)} - told == {"help"}


def test_the_readme_names_every_target_of_releases() -> None:
    listed = re.findall(r"--target ([a-z\\|]+)`", README)[0].split("\\|")
    assert sorted(listed) == sorted(plugins.TARGETS)


def test_the_readme_stays_short() -> None:
    assert len(README.splitlines()) < 150


@pytest.mark.parametrize("room", ["tridock.inference", "tridock.deploy", "tridock.emulators"])
def test_every_verb_the_readme_names_is_one_of_the_doors(room: str) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| `python -m {room}`"))
    verbs = _named(r"`([a-z]+)`", row.split("|")[2])
    usage = subprocess.run(
        [sys.executable, "-m", room, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert verbs
    assert [verb for verb in verbs if not re.search(rf"^ {{4}}{verb} ", usage, re.MULTILINE)] == []


def test_every_deploy_command_that_a_document_shows_is_understood() -> None:
    verbs = "|".join(arguments.VERBS)
    shown = {
        command
        for document in DOCUMENTS
        for command in re.findall(
            rf"^tridock ((?:{verbs}) .*)$", document.read_text(), re.MULTILINE
        )
    }
    assert any(command.startswith("models ") for command in shown)
    for command in sorted(shown):
        arguments.parse(shlex.split(command, comments=True))


def test_the_exit_codes_of_the_readme_are_those_of_deploy() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d) \|", README, re.MULTILINE)}
    raised = {kind.exit_code for kind in _all(errors.DeployError)}
    assert told == raised | {0}


def test_the_readme_shows_the_boto3_snippet_as_it_is_run() -> None:
    snippet = (ROOT / "examples" / "clients" / "boto3_invoke.py").read_text()
    code = snippet.split('"""\n\n')[1].rstrip()
    assert code in README


def test_the_boto3_snippet_gets_an_answer_after_the_readmes_steps(tmp_path: Path) -> None:
    state = ["--state", str(tmp_path / "state")]
    bundle = str(tmp_path / "iris")
    try:
        _run("-m", "tridock.examples.iris.train", "--to", bundle)
        _run("-m", "tridock.deploy", "release", "--target", "aws", "--bundle", bundle, *state)
        exports = _run("-m", "tridock.emulators", "env", "aws", *state)
        words = [
            shlex.split(line)[1] for line in exports.splitlines() if line.startswith("export ")
        ]
        variables = dict(word.split("=", 1) for word in words)
        printed = _run("examples/clients/boto3_invoke.py", **variables)
    finally:
        _run("-m", "tridock.emulators", "down", "aws", *state)
    assert printed == "{'prediction': 'setosa'}\n"


def _run(*words: str, **variables: str) -> str:
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def _target(document: Path, link: str) -> Path:
    return (document.parent / link.split("#")[0]).resolve()


def _all(kind: type[errors.DeployError]) -> set[type[errors.DeployError]]:
    return {kind}.union(*(_all(child) for child in kind.__subclasses__()))
