"""The measures count what they say."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.measures import words
from tests.measures.__main__ import main
from tests.measures.imports import children_of, modules_of, plan
from tests.measures.sources import ROOMS, Source, defining, members, sizes, sources
from tests.measures.tracing import Tracer, way
from tridock.inference.plaintext import lines

A, B, C, D = ("a",), ("b",), ("c",), ("d",)


def test_a_chain_of_imports_has_as_many_floors_as_modules() -> None:
    found = plan("chain", {A, B, C, D}, {(A, B), (B, C), (A, C)})
    assert (found.boxes, found.arrows, found.floors, found.circles) == (4, 3, 3, ())


def test_a_circle_is_one_floor_and_named() -> None:
    found = plan("circle", {A, B, C, D}, {(A, B), (B, C), (C, B), (C, D)})
    assert (found.floors, found.circles) == (3, (("b", "c"),))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_as_many_modules_as_files_and_fewer_boxes_in_it(room: str) -> None:
    assert (
        modules_of(room).boxes == len(sources(room)) == {r: files for r, files, _ in sizes()}[room]
    )
    assert 0 < children_of((room,)).boxes <= modules_of(room).boxes


def test_a_class_is_found_by_its_name_wherever_it_lies() -> None:
    source, node = defining("deploy", "Target")
    assert source.path.parts[0] == "deploy"
    own, whole = members(node.name)
    assert 0 < own <= whole
    with pytest.raises(LookupError, match="no file"):
        defining("deploy", "NoSuchClass")


def test_a_way_counts_files_and_changes_of_file() -> None:
    found = way(["a", "a", "b", "a", "b", "c"])
    assert (found.files, found.hops, found.pairs) == (("a", "b", "c"), 4, 3)


def test_calls_are_noted_while_the_flag_is_up(tmp_path: Path) -> None:
    flag, to = tmp_path / "flag", tmp_path / "calls"
    flag.write_bytes(b"\0")
    tracer = Tracer(flag, to)
    tracer.start()
    lines("not noted")
    tracer.flag[0] = 1
    lines("noted")
    tracer.stop()
    (calls,) = map(json.loads, to.read_text().splitlines())
    assert len(way(calls).files) == 1
    assert calls[0].startswith("inference/")
    assert calls[0].endswith("plaintext.py")


def test_words_are_counted_where_they_are() -> None:
    text = '"""What it tells."""\n\n\ndef f(found: int) -> None:  # nobody asked\n    g("told")\n'
    source = Source(Path("inference/f.py"), text)
    counts = dict(words.rows_of([source]))
    assert counts["docstrings"] == Counter(tells=1)
    assert counts["comments"] == Counter(nobody=1, asked=1)
    assert counts["messages"] == Counter(told=1)
    assert counts["summaries"] == Counter(What=1)
    assert counts["names"] == Counter(found=1)


def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sizes", "target"]) == 0
    out = capsys.readouterr().out
    assert "members of Target" in out
    assert all(room in out for room in ROOMS)


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["speed"])
    assert ended.value.code == 2
    assert "no part speed" in capsys.readouterr().err
