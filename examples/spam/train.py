"""Train on short messages and package: `python -m tridock.examples.spam.train --out DIR`."""

from __future__ import annotations

import csv
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline

from tridock.examples.training import Trained, finish, options

#: A line holds ``ham`` or ``spam``, a tab, and the message.
MESSAGES = Path(__file__).parent / "messages.tsv"
SEED = 3


def train(*, C: float) -> Trained:
    """Fit TF-IDF of words and word pairs, and a logistic regression that says ham or spam."""
    texts, kinds = read(MESSAGES)
    rows, held_out, labels, answers = train_test_split(
        texts, kinds, test_size=0.25, stratify=kinds, random_state=SEED
    )
    model = pipeline(C=C).fit(rows, labels)
    chances = model.predict_proba(held_out)[:, 1]
    metrics = {
        "accuracy": float(model.score(held_out, answers)),
        "auc": float(roc_auc_score([answer == "spam" for answer in answers], chances)),
    }
    return Trained(model, rows, labels, metrics)


def pipeline(*, C: float) -> Pipeline:
    """Build the model."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    return make_pipeline(words, LogisticRegression(C=C, max_iter=1000))


def read(file: Path) -> tuple[list[str], list[str]]:
    """Return the messages of a file and what each is."""
    with file.open(encoding="utf-8", newline="") as opened:
        lines = list(csv.reader(opened, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [text for _, text in lines], [kind for kind, _ in lines]


def main(arguments: list[str] | None = None) -> None:
    """Train and package what the command line asks for."""
    given = options("spam", arguments, C=10.0)
    finish("spam", train(C=given.C), given)


if __name__ == "__main__":
    main()
