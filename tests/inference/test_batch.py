"""The batch command: what stands in the files it writes, and what it refuses."""

from __future__ import annotations

import csv
import gzip
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from tridock.emulators.azure.batch.jobs import Job
from tridock.examples.loan import data as loan
from tridock.inference import score
from tridock.inference.__main__ import main
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.data.field import MISSING

from .conftest import IRIS_FIELDS

ROOT = Path(__file__).resolve().parents[2]
HEAD = ",".join(("id", *IRIS_FIELDS)) + "\n"
SETOSA, VIRGINICA = (5.1, 3.5, 1.4, 0.2), (6.3, 3.3, 6.0, 2.5)


@pytest.fixture(scope="module")
def flowers() -> list[dict[str, Any]]:
    """Rows with an identifier that is text, although it looks like a number."""
    values = np.random.default_rng(0).uniform(0.1, 7.9, (500, 4)).round(2).tolist()
    rows = enumerate(values)
    return [
        {"id": f"{index:04}", **dict(zip(IRIS_FIELDS, row, strict=True))} for index, row in rows
    ]


@pytest.fixture
def batch(iris_bundle: Bundle) -> Callable[..., int]:
    """Run the command with the iris bundle and return its exit code."""

    def run(*words: object, bundle: Path = iris_bundle.path) -> int:
        return main(["batch", *map(str, words), "--bundle", str(bundle)])

    return run


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    pack = gzip.compress if path.suffix == ".gz" else bytes
    if ".parquet" in path.name:
        parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=70)
    elif ".csv" in path.name:
        path.write_bytes(pack(pd.DataFrame(rows).to_csv(index=False).encode()))
    else:
        path.write_bytes(pack("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return path


def _read(path: Path) -> list[dict[str, Any]]:
    if ".parquet" in path.name:
        rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
        return rows
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    if ".csv" in path.name:
        return list(csv.DictReader(text.splitlines()))
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("written", ["out.csv", "out.jsonl", "out.parquet", "out.jsonl.gz"])
@pytest.mark.parametrize("read", ["in.csv", "in.ndjson", "in.parquet", "in.csv.gz"])
def test_each_row_is_written_in_order_with_the_servers_own_answer(
    read: str,
    written: str,
    flowers: list[dict[str, Any]],
    batch: Callable[..., int],
    tmp_path: Path,
) -> None:
    given, out = _write(tmp_path / read, flowers), tmp_path / written
    assert batch(given, out, "--probabilities", "--chunk", 64) == 0
    answers = score.run_with_probabilities([[row[name] for name in IRIS_FIELDS] for row in flowers])
    found = _read(out)
    assert [row["id"] for row in found] == [row["id"] for row in flowers]
    for row, came, answer in zip(found, flowers, answers, strict=True):
        assert {name: float(row[name]) for name in IRIS_FIELDS} == {
            name: came[name] for name in IRIS_FIELDS
        }
        assert row["prediction"] == answer["prediction"]
        shares = row.get("probabilities") or {
            name.removeprefix("probability_"): float(value)
            for name, value in row.items()
            if name.startswith("probability_")
        }
        assert shares.keys() == answer["probabilities"].keys()
        assert all(math.isclose(shares[name], answer["probabilities"][name]) for name in shares)
    assert list(tmp_path.glob("*.partial")) == []


def test_bad_rows_stop_the_job_with_file_line_and_reason(
    batch: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "in.csv"
    given.write_text(HEAD + "1,5.1,3.5,1.4,0.2\n\n2,x,3.5,1.4,0.2\n")
    assert batch(given, tmp_path / "out.csv") == 1
    told = capsys.readouterr().err
    assert f'{given}, line 4: field "sepal_length": expected a number, got "x"' in told
    assert "--errors" in told
    assert not (tmp_path / "out.csv").exists()


def test_bad_rows_go_to_their_own_file_and_no_row_is_lost(
    batch: Callable[..., int], tmp_path: Path
) -> None:
    given, out, errors = tmp_path / "in.csv", tmp_path / "out.csv", tmp_path / "errors.jsonl"
    lines = [
        '"1\n1",5.1,3.5,1.4,0.2',
        "",
        "2,x,3.5,1.4,0.2",
        "3,5.1,3.5",
        "4,,3,4,5",
        "5,nan,1,1,1",
        "007, 5.1 ,3.5,1.4,0.2",
    ]
    given.write_bytes((HEAD + "\n".join(lines)).encode() + b"\n\xff,1,2,3,4\n8,1,2,3,4,\n")
    assert batch(given, out, "--errors", errors) == 0
    assert out.read_text().splitlines()[1:] == [
        '"1',
        '1",5.1,3.5,1.4,0.2,setosa',
        "007, 5.1 ,3.5,1.4,0.2,setosa",
    ]
    told = [(each["line"], each["error"]) for each in _read(errors)]
    null = "null came, and the model cannot take a missing value here"
    assert told == [
        (5, 'field "sepal_length": expected a number, got "x"'),
        (6, "expected 5 values as the header has names, got 3"),
        (7, f'field "sepal_length": {null}'),
        (8, f'field "sepal_length": {null}'),
        (10, "the line is not UTF-8"),
        (11, "expected 5 values as the header has names, got 6"),
    ]


def test_bad_json_lines_are_told_apart_from_rows(batch: Callable[..., int], tmp_path: Path) -> None:
    given, out, errors = tmp_path / "in.jsonl", tmp_path / "out.jsonl", tmp_path / "bad.jsonl"
    good = dict(zip(IRIS_FIELDS, SETOSA, strict=True))
    rows = [good | {"at": "2020-01-01", "n": [1, None]}, list(VIRGINICA), [1, 2], {}, good]
    given.write_text(
        "".join(json.dumps(row) + "\n" for row in rows)
        + "x\n\n"
        + json.dumps(good | {"prediction": 1})
    )
    assert batch(given, out, "--errors", errors) == 0
    assert _read(out) == [
        good | {"at": "2020-01-01", "n": [1, None], "prediction": "setosa"},
        dict(zip(IRIS_FIELDS, VIRGINICA, strict=True)) | {"prediction": "virginica"},
        good | {"prediction": "setosa"},
    ]
    assert [each["line"] for each in _read(errors)] == [3, 4, 6, 8]


def test_only_what_is_asked_for_is_kept(batch: Callable[..., int], tmp_path: Path) -> None:
    given = tmp_path / "in.csv"
    given.write_text(HEAD + "a,5.1,3.5,1.4,0.2\n")
    assert batch(given, tmp_path / "id.csv", "--keep", "id") == 0
    assert (tmp_path / "id.csv").read_text() == "id,prediction\na,setosa\n"
    assert batch(given, tmp_path / "none.jsonl", "--keep", "") == 0
    assert (tmp_path / "none.jsonl").read_text() == '{"prediction":"setosa"}\n'


def test_a_folder_is_read_file_by_file_whatever_the_order_of_its_columns(
    batch: Callable[..., int], tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "b.csv").write_text(",".join((*IRIS_FIELDS[::-1], "id")) + "\n2.5,6,3.3,6.3,b\n")
    (folder / "a.csv").write_text(HEAD + "a,5.1,3.5,1.4,0.2")
    (folder / "_SUCCESS").write_text("")
    assert batch(folder, tmp_path / "out.csv", "--keep", "id") == 0
    assert (tmp_path / "out.csv").read_text() == "id,prediction\na,setosa\nb,virginica\n"


def test_a_file_without_a_header_is_read_in_the_order_of_the_fields(
    batch: Callable[..., int], tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text("5.1,3.5,1.4,0.2\n")
    assert batch(tmp_path / "in.csv", tmp_path / "out.csv", "--keep", "") == 0
    assert (tmp_path / "out.csv").read_text() == "prediction\nsetosa\n"


@pytest.mark.parametrize("written", ["out.csv", "out.jsonl", "out.parquet"])
@pytest.mark.parametrize(
    "head",
    [HEAD.replace("id,", ","), HEAD.upper(), HEAD.replace(",", " , "), "\ufeff" + HEAD.title(),
     ",".join(f' "{name}"' for name in HEAD.strip().split(",")) + "\r\n"],
    ids=["index", "upper", "blanks", "mark", "quoted"],
)  # fmt: skip
def test_a_header_is_read_as_data_frames_and_people_write_it(
    head: str, written: str, batch: Callable[..., int], tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text(f"{head}007,5.1,3.5,1.4,0.2\n", encoding="utf-8")
    assert batch(tmp_path / "in.csv", tmp_path / written) == 0
    [row] = _read(tmp_path / written)
    assert row.pop("prediction") == "setosa"
    [identifier, *names] = row
    assert (row[identifier], names) == ("007", list(IRIS_FIELDS))


@pytest.mark.parametrize("word", [*sorted(MISSING), "NAN", " NA"])
def test_a_word_for_a_missing_value_is_one_as_in_a_request(
    word: str, batch: Callable[..., int], loan_bundle: Bundle, tmp_path: Path
) -> None:
    assert loan_bundle.manifest.signature
    fields = loan_bundle.manifest.signature.fields
    frame = loan.generate(40, seed=7)[list(loan.FEATURES)]
    words = [each.name for each in fields if each.nullable and each.dtype != "string"]
    nulls = frame.assign(**dict.fromkeys(words, np.nan))
    for name, text in (("word", nulls.to_csv(na_rep=word)), ("null", nulls.to_csv())):
        (tmp_path / f"{name}.csv").write_text(text)
        out = tmp_path / f"{name}-out.csv"
        given = tmp_path / f"{name}.csv"
        kept = ["--keep", "", "--probabilities"]
        assert batch(given, out, *kept, bundle=loan_bundle.path) == 0
    assert (tmp_path / "word-out.csv").read_text() == (tmp_path / "null-out.csv").read_text()


@pytest.mark.parametrize("written", ["out.csv", "out.jsonl", "out.parquet"])
def test_an_input_without_rows_gives_an_output_without_rows(
    written: str, batch: Callable[..., int], tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text(HEAD)
    assert batch(tmp_path / "in.csv", tmp_path / written) == 0
    assert _read(tmp_path / written) == []


@pytest.mark.parametrize(
    ("given", "words", "told"),
    [
        (HEAD, ["out.txt"], "no known suffix"),
        (HEAD, ["out.csv", "--keep", "idd"], 'no column "idd" to keep'),
        ("sepal_length,x\n1,2\n", ["out.csv"], 'header lacks "sepal_width"'),
        ("1,2\n1,2\n", ["out.csv"], "begin with a header"),
        ("id,id," + HEAD[3:], ["out.csv"], 'names "id" twice'),
        ("prediction," + HEAD, ["out.csv"], 'has a column "prediction" already'),
        (HEAD, ["in.csv"], "used already"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    given: str,
    words: list[str],
    told: str,
    batch: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "in.csv").write_text(given)
    words[0] = str(tmp_path / words[0])
    assert batch(tmp_path / "in.csv", *words) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("words", [["batch", "in.csv", "out.csv"], ["serve"]])
def test_a_bundle_that_is_not_there_is_a_usage_error(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_text(HEAD)
    words = [str(tmp_path / word) if ".csv" in word else word for word in words]
    assert main([*words, "--bundle", str(tmp_path / "absent")]) == 2
    assert "absent (from --bundle) has no manifest.json" in capsys.readouterr().err


def test_an_output_is_replaced_only_on_request(
    batch: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, out = tmp_path / "in.csv", tmp_path / "out.csv"
    given.write_text(HEAD + "a,5.1,3.5,1.4,0.2\n")
    out.write_text("precious")
    assert batch(given, out) == 2
    assert out.read_text() == "precious"
    assert "--overwrite" in capsys.readouterr().err
    assert batch(given, out, "--overwrite", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["refused"]) == (1, 0)


def test_what_is_not_installed_is_named_with_the_way_to_get_it(
    batch: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_text(HEAD)
    assert batch(tmp_path / "in.csv", tmp_path / "out.csv", "--engine", "ray") == 2
    told = capsys.readouterr().err
    assert "batch needs ray, which is not installed here: `make .venvs/ray/ready`" in told


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_mixed_columns_with_missing_values_are_predicted_as_over_http(
    kind: str, loan_bundle: Bundle, batch: Callable[..., int], tmp_path: Path
) -> None:
    frame = loan.generate(300, seed=3)[list(loan.FEATURES)]
    given, out = tmp_path / f"in.{kind}", tmp_path / "out.jsonl"
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    if kind == "parquet":
        frame.to_parquet(given)
    else:
        _write(given, [{str(name): cell for name, cell in row.items()} for row in rows])
    assert batch(given, out, "--keep", "", "--chunk", 100, bundle=loan_bundle.path) == 0
    assert [row["prediction"] for row in _read(out)] == score.run(rows)


def test_an_unknown_category_is_refused_as_over_http(
    loan_bundle: Bundle, batch: Callable[..., int], tmp_path: Path
) -> None:
    frame = loan.generate(20, seed=3)[list(loan.FEATURES)]
    closed = next(
        field
        for field in loan_bundle.manifest.signature.fields  # type: ignore[union-attr]
        if field.closed
    )
    frame.loc[7, closed.name] = "nonesuch"
    frame.to_parquet(tmp_path / "in.parquet")
    words = (tmp_path / "in.parquet", tmp_path / "out.csv", "--errors", tmp_path / "bad.jsonl")
    assert batch(*words, bundle=loan_bundle.path) == 0
    (bad,) = _read(tmp_path / "bad.jsonl")
    assert bad["line"] == 8
    assert f'field "{closed.name}": unknown category "nonesuch": expected one of' in bad["error"]
    assert bad["row"][closed.name] == "nonesuch"


def test_texts_are_predicted(
    spam_bundle: Bundle, batch: Callable[..., int], tmp_path: Path
) -> None:
    name = spam_bundle.manifest.signature.names[0]  # type: ignore[union-attr]
    texts = ['win "money" now, call', "see you\nat lunch"]
    _write(tmp_path / "in.csv", [{name: text} for text in texts])
    out = tmp_path / "out.jsonl"
    assert batch(tmp_path / "in.csv", out, bundle=spam_bundle.path) == 0
    answers = zip(texts, score.run(texts), strict=True)
    assert _read(out) == [{name: text, "prediction": answer} for text, answer in answers]


def test_a_batch_deployment_of_azure_needs_one_line_of_script(
    iris_bundle: Bundle, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text(HEAD + "a,5.1,3.5,1.4,0.2\n")
    (tmp_path / "in" / "b.csv").write_text(HEAD + "b,x,3.5,1.4,0.2\n")
    _write(
        tmp_path / "in" / "c.parquet",
        [dict(zip(("id", *IRIS_FIELDS), ("c", *VIRGINICA), strict=True))],
    )
    (tmp_path / "score.py").write_text("from tridock.inference.batch.azure import init, run\n")
    job = Job(
        script=str(tmp_path / "score.py"),
        data=str(tmp_path / "in"),
        output=str(tmp_path / "predictions.csv"),
        size=1,
        threshold=1,
        retries=0,
        timeout=60.0,
    )
    held, ours = os.pipe()  # The driver ends when its standard input does.
    done = subprocess.run(
        [sys.executable, "-m", "tridock.emulators.azure.batch.jobs", json.dumps(asdict(job))],
        env={**os.environ, "AZUREML_MODEL_DIR": str(iris_bundle.path), "TRIDOCK_BATCH_KEEP": "id"},
        cwd=ROOT,
        stdin=held,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(held)
    os.close(ours)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "predictions.csv").read_text() == "a,setosa\nc,virginica\n"
    assert 'b.csv, line 2: field "sepal_length": expected a number, got "x"' in done.stdout
