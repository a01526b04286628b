"""Train on Fisher's iris data and package: `python -m tridock.examples.iris.train --out DIR`."""

from __future__ import annotations

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tridock.examples.training import Trained, finish, options

#: Columns of the data, in centimetres.
FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
SEED = 0


def train(*, C: float) -> Trained:
    """Fit a logistic regression that answers with the species' name."""
    data = load_iris()
    rows, held_out, species, answers = train_test_split(
        data.data,
        data.target_names[data.target],
        test_size=0.25,
        stratify=data.target,
        random_state=SEED,
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
    model.fit(rows, species)
    metrics = {"accuracy": float(model.score(held_out, answers))}
    return Trained(model, rows, species, metrics, FEATURES)


def main(arguments: list[str] | None = None) -> None:
    """Train and package what the command line asks for."""
    given = options("iris", arguments, C=1.0)
    finish("iris", train(C=given.C), given)


if __name__ == "__main__":
    main()
