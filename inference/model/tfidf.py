"""Texts as weights of the terms a vectorizer learnt, without the vectorizer.

The words of scikit-learn's `CountVectorizer` (`sklearn.feature_extraction.text`, «word» analyzer):
lower case, tokens by a pattern, runs of neighbouring tokens. The weights are `TfidfTransformer`'s.
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

#: Weights that are held at once, 8 bytes each.
MAX_WEIGHTS = 2_000_000


@dataclass(frozen=True)
class Terms:
    """Terms that are counted in a text, and the weight of a count.

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
    sublinear : bool
        Whether a count n weighs 1 + log(n).
    rarity : tuple of float
        What each term's weight is multiplied with; empty: nothing.
    norm : str
        ``"l1"`` or ``"l2"``: which length a text's weights are brought to 1 in; empty: none.
    """

    vocabulary: tuple[str, ...]
    pattern: str
    lengths: tuple[int, int]
    lowercase: bool
    binary: bool
    stop: tuple[str, ...] = ()
    sublinear: bool = False
    rarity: tuple[float, ...] = ()
    norm: str = ""

    def to_json(self) -> str:
        """Write this as canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Terms:
        """Read what `to_json` wrote."""
        record = json.loads(text)
        lists = ("vocabulary", "lengths", "stop", "rarity")
        return cls(**{**record, **{name: tuple(record[name]) for name in lists}})

    def weights(self, texts: Sequence[str]) -> Iterator[Array]:
        """Give the texts' weights, rows by terms, in parts that bound the memory they take."""
        step = max(1, MAX_WEIGHTS // max(1, len(self.vocabulary)))
        for start in range(0, len(texts), step):
            yield self._weighed(texts[start : start + step])

    @cached_property
    def _tokens(self) -> Any:
        return re.compile(self.pattern).findall

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {term: index for index, term in enumerate(self.vocabulary)}

    @cached_property
    def _passed_over(self) -> frozenset[str]:
        return frozenset(self.stop)

    @cached_property
    def _rarity(self) -> Array:
        return np.array(self.rarity)

    def _weighed(self, texts: Sequence[str]) -> Array:
        counted = [self._counted(text) for text in texts]
        rows = np.repeat(np.arange(len(texts)), list(map(len, counted)))
        columns = np.array([column for each in counted for column in each], dtype=np.int64)
        weights = np.array([count for each in counted for count in each.values()], dtype=np.float64)
        if self.binary:
            weights[:] = 1.0
        if self.sublinear:
            weights = np.log(weights) + 1.0
        if self.rarity:
            weights *= self._rarity[columns]
        if self.norm:
            weights /= self._lengths(rows, weights, len(texts))[rows]
        table = np.zeros((len(texts), len(self.vocabulary)))
        table[rows, columns] = weights
        return table

    def _lengths(self, rows: npt.NDArray[np.int64], weights: Array, count: int) -> Array:
        if self.norm == "l2":
            return np.sqrt(np.bincount(rows, weights**2, minlength=count)).astype(np.float64)
        return np.bincount(rows, np.abs(weights), minlength=count).astype(np.float64)

    def _counted(self, text: str) -> Counter[int]:
        columns = self._columns
        return Counter(columns[term] for term in self._terms(text) if term in columns)

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
