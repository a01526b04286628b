"""Words that the house does not use, counted in docstrings, comments, messages and names."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.measures.sources import Source

#: In docstrings, comments and messages. To ban another word, add it here.
BANNED = (
    "tells",
    "told",
    "stands",
    "stood",
    "asked",
    "nobody",
    "somebody",
    "so many",
    "so much",
    "so long",
    "whoever",
    "whatever",
)
#: How no summary begins.
OPENINGS = ("What", "Who", "Whether", "Where", "How", "When", "Whose")
#: Names of parameters and attributes at the head of their description.
DESCRIBED = re.compile(r"^\s*[\w, ]+ : ", re.MULTILINE)
#: Names that say how a value came about, and not what it is.
NAMES = ("found", "one", "each", "told", "asked")

Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def rows_of(files: Sequence[Source]) -> Iterator[tuple[str, Counter[str]]]:
    """Yield each kind of text with how often the files have each of the words in it."""
    texts: dict[str, list[str]] = {"docstrings": [], "comments": [], "messages": []}
    openings: Counter[str] = Counter()
    names: Counter[str] = Counter()
    for source in files:
        docstrings = dict(_docstrings(source))
        texts["docstrings"] += (DESCRIBED.sub("", text) for text in docstrings.values())
        texts["comments"] += _comments(source)
        texts["messages"] += _messages(source, set(docstrings))
        openings.update(word for text in docstrings.values() for word in _opening(text))
        names.update(name for name in _names(source) if name in NAMES)
    for kind, parts in texts.items():
        yield kind, _counted(parts)
    yield "summaries", openings
    yield "names", names


def _counted(texts: list[str]) -> Counter[str]:
    whole = "\n".join(texts)
    patterns = ((word, word.replace(" ", r"\s+")) for word in BANNED)
    counts = {word: len(re.findall(rf"\b{text}\b", whole, re.I)) for word, text in patterns}
    return Counter({word: count for word, count in counts.items() if count})


def _docstrings(source: Source) -> Iterator[tuple[ast.Constant, str]]:
    """Yield the docstrings, and the strings behind fields that documents read as such."""
    for node in ast.walk(source.tree()):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value, value.value


def _comments(source: Source) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def _messages(source: Source, docstrings: set[ast.Constant]) -> Iterator[str]:
    """Yield all other strings, those of f-strings in their parts."""
    for node in ast.walk(source.tree()):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if isinstance(node, ast.Constant) and is_text and node not in docstrings:
            yield str(node.value)


def _opening(text: str) -> Iterator[str]:
    words = text.split(maxsplit=1)
    if words and words[0].rstrip(",:") in OPENINGS:
        yield words[0].rstrip(",:")


def _names(source: Source) -> Iterator[str]:
    """Yield a name each time that a value gets it: a variable's or a parameter's."""
    for node in ast.walk(source.tree()):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
