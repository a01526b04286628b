"""docs/release-toml.md is true; `python -m tests.deploy.test_documents` writes its tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from tridock.deploy.config import keys
from tridock.deploy.target import plugins

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "release-toml.md"
TABLES = ("gates", "compare", "scaling")
HEAD = "| key | default | meaning |\n|---|---|---|\n"


def tables() -> Iterator[str]:
    """Write the tables in the document's order: top level, the core's, and each target's."""
    core = {name: (key.default, key.about) for name, key in keys.CORE.items()}
    yield _table({name: told for name, told in core.items() if "." not in name})
    for table in TABLES:
        start = f"{table}."
        yield _table({key.removeprefix(start): core[key] for key in core if key.startswith(start)})
    for target in plugins.TARGETS:
        settings = plugins.find(target).settings
        if settings:
            yield _table({name: (one.default, one.about) for name, one in settings.items()})


def _table(rows: dict[str, tuple[object, str]]) -> str:
    return HEAD + "".join(
        f"| `{name}` | {_shown(default)} | {about} |\n" for name, (default, about) in rows.items()
    )


def _shown(default: object) -> str:
    if default in ("", None, ()):
        return ""
    if isinstance(default, Path):
        return f"`{default.name}` of the current folder"
    plain = list(default) if isinstance(default, tuple) else default
    return f"`{json.dumps(plain)}`"


def _in_document() -> list[str]:
    return re.findall(rf"{re.escape(HEAD)}(?:\|.*\n)*", DOCUMENT.read_text())


def test_every_key_stands_in_the_document_as_the_code_has_it() -> None:
    assert _in_document() == list(tables())


def test_every_target_has_its_chapter_in_the_document() -> None:
    told = DOCUMENT.read_text()
    for target in plugins.TARGETS:
        if plugins.find(target).settings:
            assert f"\n## `[{target}]`" in told


def main() -> None:
    """Write the tables; a target without a chapter gets one."""
    text = DOCUMENT.read_text()
    for target in plugins.TARGETS:
        if plugins.find(target).settings and f"\n## `[{target}]`" not in text:
            chapter = f"## `[{target}]`\n\n{HEAD}\n"
            text = text.replace(
                "The local target has no keys", f"{chapter}The local target has no keys"
            )
    fresh = tables()
    DOCUMENT.write_text(re.sub(rf"{re.escape(HEAD)}(?:\|.*\n)*", lambda _: next(fresh), text))


if __name__ == "__main__":
    main()
