"""Train the model and package it: replace the data and the estimator by yours."""

from pathlib import Path

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from tridock import About, package

data = load_iris(as_frame=True)
train, test, train_labels, test_labels = train_test_split(
    data.data, data.target_names[data.target], stratify=data.target, random_state=0
)
model = LogisticRegression(max_iter=1000).fit(train, train_labels)
accuracy = float(model.score(test, test_labels))

# A higher version for each change: a version, once released, stays what it is.
about = About("NAME", version="1", metrics={"accuracy": accuracy})
package(model, train, Path("build/NAME/bundle"), about=about)
print(f"accuracy {accuracy:.3f} on held-out rows")
