"""The command line of packaging."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import joblib
import pandas as pd
import pytest

from tests.inference.models import ANSWERS, FITTED, PEOPLE, X, people_model
from tridock.inference.__main__ import main as door
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.errors import (
    BundleError,
    VersionError,
)
from tridock.inference.packaging import command as packagecommand


def command(*words: object) -> int:
    parser = ArgumentParser()
    packagecommand.add_arguments(parser)
    return packagecommand.main(parser.parse_args([str(word) for word in words]))


def test_the_command_line_packages_files(
    to: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, sample, metrics = (tmp_path / name for name in ("m.joblib", "s.csv", "m.json"))
    joblib.dump(people_model(), model)
    PEOPLE.assign(target=ANSWERS).to_csv(sample, index=False)
    metrics.write_text('{"accuracy": 0.75}')
    words = ("--model", model, "--sample", sample, "--metrics", metrics, "--out", to)
    assert command(*words, "--name", "people", "--version", "7") == 0
    bundle = Bundle.read(to)
    assert (bundle.name, bundle.version, bundle.manifest.metrics) == (
        "people",
        "7",
        {"accuracy": 0.75},
    )
    assert bundle.digest in capsys.readouterr().out


def test_the_command_line_says_what_is_missing(tmp_path: Path) -> None:
    model, other = tmp_path / "m.joblib", tmp_path / "other"
    joblib.dump(FITTED, model)
    other.write_text("[1")
    for words, message in (
        ((), "neither a model nor a script"),
        (("--model", tmp_path / "absent"), "--model .*absent: there is no such file"),
        (("--model", model), "--model needs --sample"),
        (("--model", model, "--sample", tmp_path / "absent"), "there is no such file"),
        (("--model", model, "--sample", tmp_path / "m.joblib"), "is no CSV file"),
        (("--model", other), "is text, not a stored model"),
        (("--metrics", other), "is not a JSON object"),
    ):
        with pytest.raises(BundleError, match=message):
            command("--name", "x", "--out", tmp_path / "out", *words)


def test_a_model_stored_by_another_scikit_learn_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, sample = tmp_path / "m.joblib", tmp_path / "s.csv"
    with monkeypatch.context() as older:
        older.setattr("sklearn.base.__version__", "1.0.2")
        joblib.dump(FITTED, model)
    pd.DataFrame(X).to_csv(sample, index=False)
    with pytest.raises(VersionError, match=r"fitted with scikit-learn 1\.0\.2 and here is"):
        command("--name", "x", "--out", tmp_path / "out", "--model", model, "--sample", sample)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--model", "absent"),
        ("--model", "m.joblib"),
        ("--model", "m.joblib", "--sample", "absent"),
        ("--model", "m.joblib", "--sample", "m.joblib"),
        ("--model", "m.joblib", "--sample", "s.csv", "--version", "a b"),
        ("--model", "m.joblib", "--sample", "s.csv", "--examples", "21"),
        ("--model", "m.joblib", "--sample", "s.csv", "--code", "absent"),
        ("--model", "m.joblib", "--sample", "s.csv", "--script", "absent"),
        ("--model", "m.joblib", "--sample", "s.csv", "--metrics", "absent"),
        ("--model", "m.joblib", "--sample", "s.csv", "--metrics", "s.csv"),
        ("--model", "m.joblib", "--sample", "s.csv", "--out", "m.joblib"),
        ("--model", "m.joblib", "--sample", "s.csv", "--out", "m.joblib/below"),
    ],
)
def test_a_wrong_option_of_package_is_an_error_of_usage(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    joblib.dump(FITTED, "m.joblib")
    pd.DataFrame(X).to_csv("s.csv", index=False)
    before = sorted(tmp_path.iterdir())
    assert door(["package", "--name", "x", "--out", "out", *words]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert sorted(tmp_path.iterdir()) == before
