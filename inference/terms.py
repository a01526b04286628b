"""Texts as counts of the terms a vectorizer learnt, without the vectorizer.

The words of scikit-learn's `CountVectorizer` (`sklearn.feature_extraction.text`, «word» analyzer):
lower case, tokens by a pattern, runs of neighbouring tokens.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.float64]

#: So many counts are held at once, 8 bytes each.
MAX_COUNTS = 2_000_000


@dataclass(frozen=True)
class Terms:
    """What is counted in a text.

    Attributes
    ----------
    vocabulary : tuple of str
        The terms, in the order of the columns.
    pattern : str
        Regular expression of a token.
    lengths : tuple of int
        Fewest and most tokens in a term.
    lowercase : bool
        Whether texts are put into lower case first.
    binary : bool
        Whether a term counts once in a text at most.
    stop : tuple of str
        Tokens that are passed over.
    """

    vocabulary: tuple[str, ...]
    pattern: str
    lengths: tuple[int, int]
    lowercase: bool
    binary: bool
    stop: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Write this as canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Terms:
        """Read what `to_json` wrote."""
        record = json.loads(text)
        lists = ("vocabulary", "lengths", "stop")
        return cls(**{**record, **{name: tuple(record[name]) for name in lists}})

    def counts(self, texts: Sequence[str]) -> Iterator[Array]:
        """Give the texts' counts, rows by terms, in parts that bound the memory they take."""
        step = max(1, MAX_COUNTS // max(1, len(self.vocabulary)))
        for start in range(0, len(texts), step):
            yield self._counted(texts[start : start + step])

    @cached_property
    def _tokens(self) -> Any:
        return re.compile(self.pattern).findall

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {term: index for index, term in enumerate(self.vocabulary)}

    @cached_property
    def _passed_over(self) -> frozenset[str]:
        return frozenset(self.stop)

    def _counted(self, texts: Sequence[str]) -> Array:
        table, columns = np.zeros((len(texts), len(self.vocabulary))), self._columns
        for row, text in zip(table, texts, strict=True):
            found = Counter(columns[term] for term in self._terms(text) if term in columns)
            row[list(found)] = 1.0 if self.binary else list(found.values())
        return table

    def _terms(self, text: str) -> list[str]:
        tokens: list[str] = self._tokens(text.lower() if self.lowercase else text)
        if self.stop:
            tokens = [token for token in tokens if token not in self._passed_over]
        fewest, most = self.lengths
        if most == 1:
            return tokens
        return [
            " ".join(tokens[start : start + length])
            for length in range(fewest, min(most, len(tokens)) + 1)
            for start in range(len(tokens) - length + 1)
        ]
