"""Results for people: tables that cut no name, and findings that fit the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from tridock.deploy.cli.doctor import Finding
from tridock.deploy.cli.report import COLUMNS, STYLE, draw

NAMES = ("a-long-endpoint-of-thirty-two-ch", "v2024-11-30-12-candidate-0011aabb")
CELLS = (
    "ready (updating)",
    "100 %, copies of 50 %",
    "2024.11.30",
    "0011aabb2233",
    "2 x ml.m5.large",
)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_word_of_a_table_is_cut_or_broken(width: int) -> None:
    table = Table(*COLUMNS, **STYLE)
    table.add_row(*NAMES, *CELLS, "2026-11-30 22:30:05")
    out = io.StringIO()
    draw(table, Console(file=out, width=width))
    printed = out.getvalue()
    assert "…" not in printed
    for word in " ".join((*COLUMNS, *NAMES, *CELLS)).split():
        assert word in printed.split()


@pytest.mark.parametrize("width", [40, 80, 100])
def test_a_finding_is_wrapped_between_words(width: int) -> None:
    seen = "every deployment is one process, whatever count says; " * 5
    lines = Finding("limits", True, seen).text(width).splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) <= width
    assert " ".join(" ".join(lines).split()) == f"ok limits: {seen.strip()}"
