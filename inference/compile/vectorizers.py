"""A pipeline of texts in two: the terms that are counted, and the model of the counts."""

from __future__ import annotations

from typing import Any

from inference.terms import Terms

#: More columns would make each row slow.
MAX_TERMS = 50_000


def split(estimator: Any) -> tuple[Terms, Any]:
    """Return what the first step counts, and the rest of the pipeline.

    Raises
    ------
    NotImplementedError
        If the first step is no vectorizer of words, or has functions of its user's.
    """
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.pipeline import Pipeline

    steps = getattr(estimator, "steps", [])
    vectorizer = steps[0][1] if len(steps) > 1 else estimator
    if type(vectorizer) not in (CountVectorizer, TfidfVectorizer):
        kind = type(vectorizer).__name__
        raise NotImplementedError(f"texts are compiled after a CountVectorizer, not a {kind}")
    rest = list(steps[1:])
    if isinstance(vectorizer, TfidfVectorizer):
        rest.insert(0, ("tfidf", vectorizer._tfidf))
    return _terms(vectorizer), Pipeline(rest)


def _terms(vectorizer: Any) -> Terms:
    own = ("tokenizer", "preprocessor", "strip_accents")
    if vectorizer.analyzer != "word" or any(getattr(vectorizer, name) for name in own):
        raise NotImplementedError("a vectorizer with an analyzer of its own is not compiled")
    if len(vectorizer.vocabulary_) > MAX_TERMS:
        raise NotImplementedError(f"{len(vectorizer.vocabulary_)} terms are too many to compile")
    return Terms(
        tuple(sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__)),
        vectorizer.token_pattern,
        tuple(vectorizer.ngram_range),
        vectorizer.lowercase,
        vectorizer.binary,
        tuple(sorted(vectorizer.get_stop_words() or ())),
    )
