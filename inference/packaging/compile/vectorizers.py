"""A pipeline of texts in two: the terms that are weighed, and the model of the weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from tridock.inference.model.tfidf import Terms

#: More columns would make each row slow.
MAX_TERMS = 50_000


def split(estimator: Any) -> tuple[Terms, Any]:
    """Return what the first steps count and weigh, and the rest of the pipeline.

    Raises
    ------
    NotImplementedError
        If the first step is no vectorizer of words, or has functions of its user's.
    """
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
    from sklearn.pipeline import Pipeline

    steps = getattr(estimator, "steps", [])
    vectorizer = steps[0][1] if len(steps) > 1 else estimator
    if type(vectorizer) not in (CountVectorizer, TfidfVectorizer):
        kind = type(vectorizer).__name__
        raise NotImplementedError(f"texts are compiled after a CountVectorizer, not a {kind}")
    if isinstance(vectorizer, TfidfVectorizer):
        return _terms(vectorizer, vectorizer._tfidf), Pipeline(steps[1:])
    if isinstance(steps[1][1], TfidfTransformer) and len(steps) > 2:
        return _terms(vectorizer, steps[1][1]), Pipeline(steps[2:])
    return _terms(vectorizer, None), Pipeline(steps[1:])


def _terms(vectorizer: Any, tfidf: Any) -> Terms:
    own = ("tokenizer", "preprocessor", "strip_accents")
    if vectorizer.analyzer != "word" or any(getattr(vectorizer, name) for name in own):
        raise NotImplementedError("a vectorizer with an analyzer of its own is not compiled")
    if len(vectorizer.vocabulary_) > MAX_TERMS:
        raise NotImplementedError(f"{len(vectorizer.vocabulary_)} terms are too many to compile")
    if getattr(tfidf, "norm", None) not in (None, "l1", "l2"):
        raise NotImplementedError(f"weights of length 1 in the norm {tfidf.norm} are not compiled")
    return Terms(
        vocabulary=tuple(sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__)),
        pattern=vectorizer.token_pattern,
        lengths=tuple(vectorizer.ngram_range),
        lowercase=vectorizer.lowercase,
        binary=vectorizer.binary,
        stop=tuple(sorted(vectorizer.get_stop_words() or ())),
        sublinear=bool(tfidf and tfidf.sublinear_tf),
        rarity=tuple(np.asarray(tfidf.idf_).tolist()) if tfidf and tfidf.use_idf else (),
        norm=(tfidf and tfidf.norm) or "",
    )
