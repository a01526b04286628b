"""What is emulated is counted, written down, and the document is held true."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tridock.emulators.coverage import Coverage, coverage, markdown, plain, rewritten
from tridock.emulators.errors import CoverageError

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "emulators.md"


def _listed(*options: str) -> str:
    command = [sys.executable, "-m", "tridock.emulators", "operations", "aws", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    return done.stdout.rstrip("\n")


def test_the_document_lists_what_the_code_does() -> None:
    text = DOCUMENT.read_text()
    assert rewritten(text, "aws", _listed("--markdown")) == text


def test_every_operation_stands_on_one_line_with_what_it_does() -> None:
    lines = {tuple(line.split()) for line in _listed().splitlines()}
    assert ("sagemaker-runtime", "emulated", "InvokeEndpointAsync") in lines
    assert ("sagemaker", "emulated", "StopTransformJob") in lines
    assert ("sagemaker", "stored", "CreateModelCard") in lines
    assert ("sagemaker", "missing", "CreateInferenceComponent") in lines


SERVICE = Coverage("flowers", ("Grow",), (), ("Wither", "Rot"))


def test_services_are_counted_and_empty_lists_left_out() -> None:
    text = markdown([SERVICE])
    assert "| `flowers` | 3 | 1 | 0 | 2 |" in text
    assert "**Not emulated:** `Wither` `Rot`" in text
    assert "Stored" not in text.partition("###")[2]
    lines = [line.split() for line in plain([SERVICE]).splitlines()]
    assert lines[0] == ["flowers", "emulated", "Grow"]
    assert lines[1:] == [["flowers", "missing", name] for name in ("Wither", "Rot")]


def test_only_the_part_of_the_cloud_is_rewritten() -> None:
    document = "a\n<!-- operations: aws -->old<!-- end: aws -->\n<!-- operations: gcp -->b"
    renewed = rewritten(document, "aws", "new")
    assert "new" in renewed
    assert "old" not in renewed
    assert renewed.startswith("a\n")
    assert renewed.endswith("<!-- operations: gcp -->b")
    with pytest.raises(CoverageError, match="azure"):
        rewritten(document, "azure", "new")


def test_a_cloud_that_does_not_count_says_so() -> None:
    with pytest.raises(CoverageError, match="nowhere emulator does not list"):
        coverage("nowhere")
