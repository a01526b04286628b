"""The examples: each trains, packages, answers its own request, and can be released."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from tridock.deploy.config import load
from tridock.examples.loan.data import FEATURES, TARGET, generate
from tridock.examples.spam import train as spam
from tridock.inference import score
from tridock.inference.bundle.bundle import Bundle

ROOT = Path(__file__).parents[2]
EXAMPLES = ("iris", "loan", "spam")
EXPECTED = {
    "iris": ["setosa", "virginica", "versicolor"],
    "loan": ["approved", "declined"],
    "spam": ["spam", "ham"],
}


@pytest.fixture(scope="module", params=EXAMPLES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Each example's bundle, made by its own door."""
    to = tmp_path_factory.mktemp(request.param) / "bundle"
    train(request.param, to)
    return Bundle.read(to)


def train(name: str, to: Path, *words: str) -> None:
    importlib.import_module(f"tridock.examples.{name}.train").main(["--out", str(to), *words])


def test_an_example_answers_its_own_request(trained: Bundle) -> None:
    request = json.loads((ROOT / "examples" / trained.name / "request.json").read_text())
    score.init(trained.path)
    assert score.run(request["instances"]) == EXPECTED[trained.name]


def test_an_example_is_better_than_guessing_on_held_out_rows(trained: Bundle) -> None:
    assert 0.8 < (trained.manifest.metrics["accuracy"] or 0) <= 1
    if trained.name != "iris":
        assert 0.9 < (trained.manifest.metrics["auc"] or 0) <= 1


def test_an_example_says_what_it_was_trained_on(trained: Bundle) -> None:
    assert trained.manifest.training is not None
    assert trained.manifest.training.rows >= 100
    assert trained.version == "1"


@pytest.mark.parametrize("name", EXAMPLES)
def test_another_strength_gives_another_model(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(name, tmp_path / "one", "--version", "1")
    train(name, tmp_path / "two", "--version", "2", "--C", "0.05")
    first, second = Bundle.read(tmp_path / "one"), Bundle.read(tmp_path / "two")
    assert (first.version, second.version) == ("1", "2")
    assert first.manifest.files != second.manifest.files
    lines = capsys.readouterr().out.splitlines()
    assert [line.startswith(f"{name} ") for line in lines] == [True, True]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_release_file_is_one_that_the_deployer_reads(name: str) -> None:
    read = load.load(ROOT / "examples" / name / "release.toml", {}, {})
    assert read.endpoint == name
    assert read.request is not None
    assert read.request.is_file()
    assert read.bundle is not None
    assert read.bundle.resolve() == ROOT / "build" / name / "bundle"


@pytest.mark.parametrize("strength", ["0", "-1", "nan", "x"])
def test_a_strength_that_no_model_takes_is_a_usage_error(
    strength: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        train("iris", tmp_path / "bundle", f"--C={strength}")
    assert ended.value.code == 2
    assert "argument --C: " in capsys.readouterr().err


def test_the_same_seed_draws_the_same_applications() -> None:
    first, again, other = generate(200, 1), generate(200, 1), generate(200, 2)
    assert first.equals(again)
    assert not first.equals(other)


def test_applications_are_as_documented() -> None:
    drawn = generate(4000, 1)
    assert set(drawn.columns) == {*FEATURES, "gender", TARGET}
    assert drawn["age"].between(18, 80).all()
    assert drawn["credit_score"].between(300, 850).all()
    assert 0.03 < drawn["income"].isna().mean() < 0.07
    shares: Any = drawn.groupby("gender")[TARGET].value_counts(normalize=True).unstack()
    assert abs(shares["approved"].diff().iloc[-1]) < 0.05


def test_messages_are_many_balanced_and_distinct() -> None:
    texts, kinds = spam.read(spam.MESSAGES)
    assert len(texts) == len(set(texts)) >= 120
    assert 0.4 < kinds.count("spam") / len(kinds) < 0.6
    assert set(kinds) == {"ham", "spam"}
