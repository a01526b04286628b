"""Train on made-up applications and package: `python -m tridock.examples.loan.train --out DIR`."""

from __future__ import annotations

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tridock.examples.loan.data import FEATURES, TARGET, generate
from tridock.examples.training import Trained, finish, options

NUMBERS = ["age", "income", "credit_score", "loan_amount", "term_months"]
CATEGORIES = ["employment", "purpose"]
ROWS = 4000
SEED = 7


def train(*, C: float) -> Trained:
    """Fit scaling, one-hot columns and a logistic regression that says approved or declined."""
    applications = generate(ROWS, SEED)
    rows, held_out, decisions, answers = train_test_split(
        applications[list(FEATURES)],
        applications[TARGET],
        test_size=0.25,
        stratify=applications[TARGET],
        random_state=SEED,
    )
    model = pipeline(C=C).fit(rows, decisions)
    chances = model.predict_proba(held_out)[:, 0]
    metrics = {
        "accuracy": float(model.score(held_out, answers)),
        "auc": float(roc_auc_score(answers == "approved", chances)),
    }
    return Trained(model, rows, decisions, metrics)


def pipeline(*, C: float) -> Pipeline:
    """Build the model: a missing income is taken as the median one, an unknown word is refused."""
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
            ("categories", OneHotEncoder(), CATEGORIES),
        ]
    )
    return make_pipeline(columns, LogisticRegression(C=C, max_iter=1000))


def main(arguments: list[str] | None = None) -> None:
    """Train and package what the command line asks for."""
    given = options("loan", arguments, C=1.0)
    finish("loan", train(C=given.C), given)


if __name__ == "__main__":
    main()
