"""A user's own script: its faults are told early and in words, its answers are JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tridock.inference import score
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.errors import InvalidInputError, ScoringError, ScriptError
from tridock.inference.packaging.package import About, package_script
from tridock.inference.script.user_script import check

pytestmark = pytest.mark.usefixtures("script_traces")

INIT = "def init():\n    pass\n\n"
RUN = "def run(data):\n    return data\n\n"


def bundle(tmp_path: Path, source: str) -> Bundle:
    script = tmp_path / "score.py"
    script.write_text(source)
    return package_script(tmp_path / "bundle", about=About("own", script=script))


def answer(tmp_path: Path, body: str) -> Any:
    """Serve a script whose run has this body, and ask it."""
    score.init(bundle(tmp_path, f"{INIT}def run(data):\n    {body}\n").path)
    return score.run('{"a": 1}')


def test_run_gets_the_body_as_it_came_and_answers_as_it_likes(tmp_path: Path) -> None:
    assert answer(tmp_path, "return {'length': len(data), 'type': type(data).__name__}") == {
        "length": 8,
        "type": "str",
    }


def test_init_finds_the_bundle_as_azure_has_it(tmp_path: Path) -> None:
    source = """
import os
def init():
    global files
    files = sorted(os.listdir(os.environ["AZUREML_MODEL_DIR"]))
def run(data):
    return files
"""
    score.init(bundle(tmp_path, source).path)
    assert score.run("") == ["manifest.json", "score.py"]
    assert os.environ["AZUREML_MODEL_DIR"] == str((tmp_path / "bundle").resolve())


def test_a_script_imports_what_stands_beside_it_and_leaves_no_bytecode(tmp_path: Path) -> None:
    code = tmp_path / "src"
    code.mkdir()
    (code / "score.py").write_text(
        "from neighbour import WORD\n" + INIT + "def run(data):\n    return WORD\n"
    )
    (code / "neighbour.py").write_text("WORD = 'hello'\n")
    made = package_script(tmp_path / "bundle", about=About("own", script=code))
    score.init(made.path)
    assert score.run("") == "hello"
    assert Bundle.read(made.path) == made


def test_a_script_beside_a_model_answers_alone(copied: Path, tmp_path: Path) -> None:
    from tridock.inference.model import joblib_store
    from tridock.inference.packaging.package import package

    model = joblib_store.load(copied / "model.joblib")
    script = tmp_path / "score.py"
    script.write_text(
        """
import json, os, joblib
def init():
    global model
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.joblib"))
def run(data):
    return model.predict(json.loads(data)["data"]).tolist()
"""
    )
    about = About("own", script=script)
    score.init(package(model, [[5.1, 3.5, 1.4, 0.2]], tmp_path / "own", about=about).path)
    loaded = score.loaded()
    assert loaded
    assert loaded.script
    assert score.run('{"data": [[5.1, 3.5, 1.4, 0.2]]}') == ["setosa"]
    with pytest.raises(InvalidInputError, match="scoring script answers here"):
        score.run_with_probabilities([[5.1, 3.5, 1.4, 0.2]])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def init(:\n", r"score\.py, line 1: .*def init\(:"),
        ("x = 1\n\nif x\n    pass\n", r"score\.py, line 3: expected ':'"),
        ("", "defines no init: a scoring script has"),
        (INIT, "defines no run"),
        (RUN, "defines no init"),
        ("\0", "not Python source|null bytes"),
    ],
)
def test_a_script_is_read_before_it_is_run(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message):
        bundle(tmp_path, source)


@pytest.mark.parametrize(
    "source",
    [
        INIT + RUN,
        "from other import *\n",
        "from other import init, run\n",
        "import other\ninit = other.init\nrun = other.run\n",
        "try:\n    from a import init, run\nexcept ImportError:\n    from b import init, run\n",
    ],
)
def test_names_may_be_bound_in_any_way(tmp_path: Path, source: str) -> None:
    (tmp_path / "score.py").write_text(source)
    check(tmp_path / "score.py")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("init = 3\n" + RUN, "init in score.py is a int and cannot be called"),
        (INIT + "run = None\n", "defines no run"),
        ("if False:\n    def init(): pass\n" + RUN, "defines no init"),
        ("def init(path): pass\n" + RUN, "init in score.py must take no argument"),
        (INIT + "def run(): pass\n", "run in score.py must take one argument, the request's body"),
        (INIT + "def run(a, b): pass\n", "must take one argument"),
        (INIT + "async def run(data): pass\n", "run in score.py is async"),
        ("import nothing_of_this_name\n" + INIT + RUN, "importing it raised ModuleNotFoundError"),
        ("def init():\n    1 / 0\n" + RUN, r"init\(\) raised ZeroDivisionError: division by zero"),
        ("def init():\n    exit('no')\n" + RUN, r"init\(\) raised SystemExit: no"),
        ("import sys\nsys.exit(3)\n" + INIT + RUN, "importing it raised SystemExit: 3"),
    ],
)
def test_a_script_that_breaks_the_contract_is_refused_at_load(
    tmp_path: Path, source: str, message: str
) -> None:
    made = bundle(tmp_path, source)
    with pytest.raises(ScriptError, match=message):
        score.init(made.path)
    assert score.loaded() is None


def test_the_traceback_of_init_shows_the_users_frames_only(tmp_path: Path) -> None:
    made = bundle(tmp_path, "def init():\n    load()\n\ndef load():\n    open('/absent')\n" + RUN)
    with pytest.raises(ScriptError) as raised:
        score.init(made.path)
    told = str(raised.value)
    assert "line 2, in init" in told
    assert "line 5, in load" in told
    assert "inference/script/user_script.py" not in told
    assert "importlib" not in told


def test_an_error_in_run_is_told_briefly_and_logged_in_full(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ScoringError) as raised:
        answer(tmp_path, "raise ValueError('secret ' + data)")
    assert str(raised.value) == (
        "run() of score.py raised ValueError; the server's log has the traceback"
    )
    assert "line 5, in run" in caplog.text
    assert "inference/script/user_script.py" not in caplog.text


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("return {1, 2}", "set"),
        ("return object()", "object"),
        ("import numpy; return numpy.array([1])", "ndarray"),
        ("return b'bytes'", "bytes"),
        ("return {'a': {'b': {3}}}", "dict"),
        ("return 2 ** 70", "int"),
    ],
)
def test_what_json_cannot_hold_is_refused_with_what_to_return(
    tmp_path: Path, body: str, kind: str
) -> None:
    with pytest.raises(ScoringError, match=rf"returned a {kind} that JSON cannot hold.*tolist"):
        answer(tmp_path, body)


@pytest.mark.parametrize("value", ["text", 1, 2.5, None, True, [1, "a"], {"a": [None]}])
def test_what_json_can_hold_is_answered(tmp_path: Path, value: object) -> None:
    assert answer(tmp_path, f"return {value!r}") == value
    assert json.loads(json.dumps(score.run(""))) == value


def test_two_scripts_of_one_name_follow_each_other(tmp_path: Path) -> None:
    for word in ("first", "second"):
        folder = tmp_path / word
        folder.mkdir()
        score.init(bundle(folder, f"{INIT}def run(data):\n    return {word!r}\n").path)
        assert score.run("") == word
    assert sys.modules["score"].__file__ == str((tmp_path / "second/bundle/score.py").resolve())
