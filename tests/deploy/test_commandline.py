from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from ast import literal_eval
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.deploy import bundles
from tests.deploy.commandline import ROOT, Door
from tests.deploy.staging import name_of
from tridock.inference.bundle.bundle import Bundle

REQUEST = '{"instances": [[5.1, 3.5, 1.4, 0.2]]}'


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    door = Door("local", tmp_path / "state")
    yield door
    assert door("delete").code == 0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, v1: Bundle, v2: Bundle) -> Iterator[Door]:
    """An endpoint with two releases; the tests that share it leave it as it is."""
    door = Door("local", tmp_path_factory.mktemp("served"))
    for bundle in (v1, v2):
        assert door("release", "--bundle", bundle.path).code == 0
    yield door
    assert door("delete").code == 0


def test_a_release_tells_its_steps_ends_with_calls_that_work_and_leaves_nothing(
    door: Door, v1: Bundle
) -> None:
    said = door("release", "--bundle", v1.path, "--json")
    assert said.code == 0, said.err
    assert said.json()["traffic"] == {name_of(v1): 100}
    assert f"judge {name_of(v1)} at 100 %: error_rate passed" in said.err
    assert "\x1b" not in said.err
    pasted = [sys.executable, "-c", said.json()["snippets"]["python"]]
    answer = subprocess.run(pasted, capture_output=True, text=True, check=True).stdout
    assert literal_eval(answer)["predictions"] == [v1.manifest.examples[0].prediction]
    again = door("release", "--bundle", v1.path)
    assert (again.code, "already" in again.err) == (0, True)
    router = _router(door)
    assert door("delete").code == 0
    _wait_until_ended([router])
    assert list((door.state / "local" / "bundles").iterdir()) == []


def test_status_shows_versions_traffic_and_digests(served: Door, v1: Bundle, v2: Bundle) -> None:
    table = served("status").out
    for word in (name_of(v1), name_of(v2), "100 %", "0 %", "ready", v2.digest[:12]):
        assert word in table
    (shown,) = served("status", "--json", "--bundle", v2.path).json()
    new, old = shown["deployments"]
    assert (new["version"], new["digest"], new["traffic"]) == ("2", v2.digest, 100)
    assert (old["version"], old["state"], old["traffic"]) == ("1", "ready", 0)


def test_invoke_prints_the_answer_alone(served: Door, v1: Bundle) -> None:
    said = served("invoke", "--data", REQUEST)
    assert json.loads(said.out) == {"predictions": ["setosa"]}
    assert "curl" in said.err
    said = served("invoke", "--bundle", v1.path, "--deployment", name_of(v1))
    assert json.loads(said.out) == {"predictions": [v1.manifest.examples[0].prediction]}


def test_a_bad_request_is_the_models_word_and_exit_code_1(served: Door) -> None:
    said = served("invoke", "--data", '{"instances": [["a", 1, 1, 1]]}')
    assert said.code == 1
    assert "iris answered 400" in said.err


def test_traffic_is_split_and_shown(served: Door, v1: Bundle, v2: Bundle) -> None:
    old, new = name_of(v1), name_of(v2)
    said = served("traffic", f"{old}=25", f"{new}=75", "--json")
    assert said.json()["traffic"] == {old: 25, new: 75}
    assert served("traffic", "--json").json()["traffic"] == {old: 25, new: 75}
    assert served("traffic", f"{old}=25", f"{new}=70").code == 2
    assert served("traffic", f"{old}").code == 2
    assert served("traffic", "ghost=100").code == 4
    assert served("traffic", f"{new}=100").code == 0


def test_rollback_goes_to_the_release_before(served: Door, v1: Bundle, v2: Bundle) -> None:
    said = served("rollback", "--reason", "too slow", "--json")
    assert said.json()["traffic"] == {name_of(v1): 100}
    again = served("rollback")
    assert again.code == 0
    assert f"already rolled back to {name_of(v1)}" in again.err
    newest, *_ = served("status", "--history", "--json").json()[0]["history"]
    assert (newest["verb"], newest["why"], newest["outcome"]) == ("rollback", "too slow", "done")
    assert (newest["from"], newest["to"]) == ({name_of(v2): 100}, {name_of(v1): 100})
    assert "too slow" in served("status", "--history").out
    assert served("rollback", "--to", name_of(v2)).code == 0
    assert served("rollback", "--to", "ghost").code == 1


def test_logs_are_the_model_servers(served: Door) -> None:
    said = served("logs", "--lines", "2", "--json")
    assert len(said.json()["lines"]) == 2


def test_plan_changes_nothing(served: Door, v1: Bundle, v3: Bundle) -> None:
    before = served("status", "--json").out
    said = served("plan", "--bundle", v3.path)
    assert f"deploy {name_of(v3)}" in said.out
    assert f"undeploy {name_of(v1)}" in said.out
    assert "cost per hour: now $0.000" in said.out
    assert served("status", "--json").out == before


def test_doctor_tells_what_is_not_well(served: Door, v1: Bundle, tmp_path: Path) -> None:
    assert served("doctor", "--bundle", v1.path).code == 0
    said = served("doctor", "--bundle", tmp_path)
    assert said.code == 1
    assert "FAIL  bundle" in said.out


def test_an_experiment_is_compared_with_few_and_enough_samples_and_stopped(
    served: Door, v2: Bundle, v3: Bundle, tmp_path: Path
) -> None:
    old, new = name_of(v2), name_of(v3)
    before = served("status", "--json").json()[0]
    assert served("compare").code == 2
    words = ("--bundle", v3.path, "--set", "strategy=ab", "--set", "split=40")
    said = served("release", *words, "--json")
    assert said.json()["traffic"] == {old: 60, new: 40}
    for refused in (
        served("release", "--bundle", v2.path),
        served("traffic", f"{old}=100"),
        served("stop", "--deployment", old),
    ):
        assert refused.code == 2
        assert "`promote` gives" in refused.err
    assert "would be refused" in served("plan", "--bundle", v2.path).err
    few = served("compare", "--json").json()
    assert few["verdict"] in ("not measured", "not enough samples")
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(["request_id,label", *_labelled(before["url"], new, 500)]))
    found = served("compare", "--labels", labels, "--set", "compare.effect=0.2", "--json").json()
    assert found["verdict"] == "worse"
    assert "accuracy: worse" in found["why"]
    assert (found["new"]["requests"], found["new"]["labelled"]) == (200, 200)
    assert found["old"]["right"] == 300
    table = served("compare", "--labels", labels).out
    for word in (f"{new}, 40 %", "Fisher's exact, p = ", "300 of 300 (100 %)", "verdict on"):
        assert word in table
    assert served("stop").code == 0
    after = served("status", "--json").json()[0]
    assert (after["traffic"], len(after["deployments"])) == (before["traffic"], 2)


def _labelled(url: str, new: str, count: int) -> list[str]:
    """Ask, and tell the truth afterwards: the old one was right, and the new one half the time."""
    lines = []
    with httpx.Client(trust_env=False) as client:
        for number in range(count):
            sent = {"x-request-id": f"r{number}", "content-type": "application/json"}
            answer = client.post(f"{url}/invocations", content=REQUEST, headers=sent)
            wrong = answer.headers["x-deployment"] == new and number % 2
            lines.append(f"r{number},{'virginica' if wrong else 'setosa'}")
    return lines


def test_a_shadow_release_ends_without_traffic_and_is_promoted(
    served: Door, v1: Bundle, v2: Bundle, v3: Bundle
) -> None:
    words = ("--set", "strategy=shadow", "--set", "bake=0.1")
    said = served("release", "--bundle", v3.path, *words)
    assert said.code == 0, said.err
    assert f"copies to {name_of(v3)}: 50 % of the requests" in said.err
    assert f"judge {name_of(v3)} at copies of 50 %" in said.err
    (shown,) = served("status", "--json").json()
    assert shown["traffic"] == {name_of(v2): 100}
    promoted = served("promote", "--bundle", v3.path, "--json")
    assert promoted.json()["traffic"] == {name_of(v3): 100}
    assert "at 100 %: error_rate passed" in promoted.err
    for bundle in (v1, v2):
        assert served("release", "--bundle", bundle.path).code == 0


def test_a_wrong_configuration_is_exit_code_2(door: Door, tmp_path: Path) -> None:
    (tmp_path / "release.toml").write_text("stepps = [100]\n")
    said = door("plan", "--file", tmp_path / "release.toml")
    assert said.code == 2
    assert "unknown key 'stepps': did you mean 'steps'?" in said.err
    assert door("plan", "--set", "stepps=1").code == 2
    assert door("plan").code == 2


def test_a_missing_bundle_is_exit_code_2(door: Door, tmp_path: Path) -> None:
    said = door("release", "--bundle", tmp_path / "nowhere")
    assert said.code == 2
    assert "it is no bundle" in said.err


@pytest.mark.parametrize("words", [("release", "--bundle", "b"), ("status",), ("delete",)])
@pytest.mark.parametrize("below", [".", "state"])
def test_a_state_folder_that_is_a_file_is_exit_code_2(
    words: tuple[str, ...], below: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    said = Door("local", tmp_path / "file" / below)(*words)
    assert said.code == 2
    assert f"{tmp_path / 'file'} is a file. Name another with --state" in said.err


def test_a_bundle_with_one_other_byte_is_exit_code_1(door: Door, tmp_path: Path) -> None:
    said = door("release", "--bundle", bundles.tampered(tmp_path / "bundle", "1"))
    assert said.code == 1
    assert "changed after packaging" in said.err


def test_a_bundle_of_another_scikit_learn_is_exit_code_1_and_leaves_nothing(
    door: Door, tmp_path: Path
) -> None:
    said = door("release", "--bundle", bundles.foreign(tmp_path / "bundle", "1").path)
    assert said.code == 1
    assert "scikit-learn 0.24.2" in said.err
    assert door("status", "--json").code == 4


def test_a_bundle_that_unpickles_is_refused_before_anything_is_uploaded(
    tmp_path: Path,
) -> None:
    door = Door("local", tmp_path / "state")
    pickled = bundles.good(tmp_path / "bundle", "1", compiled=False)
    said = door("release", "--bundle", pickled.path, "--set", "allow_pickle=false")
    assert said.code == 2
    assert "allow_pickle is false, and" in said.err
    assert "model.joblib is a pickle, and the model is not compiled" in said.err
    assert not (tmp_path / "state" / "local" / "bundles").exists()


def test_a_crashing_model_is_exit_code_1_with_its_last_words(door: Door, tmp_path: Path) -> None:
    bundle = bundles.crashing(tmp_path / "bundle", "1")
    said = door("release", "--bundle", bundle.path, "--set", "gates.requests=0")
    assert said.code == 1
    assert "the weights are gone" in said.err
    assert "delete endpoint iris: it was made by this release" in said.err


def test_a_gate_that_says_no_is_exit_code_3_and_all_is_as_it_was(
    served: Door, tmp_path: Path
) -> None:
    before = served("status", "--json").out
    said = served("release", "--bundle", bundles.lying(tmp_path / "lying", "4").path)
    assert said.code == 3
    assert (
        "at 10 %: agreement failed: 0 % in 5 requests (at least 100 %). expected ['rose']"
        in said.err
    )
    assert served("status", "--json").out == before


def test_what_takes_too_long_is_exit_code_5(door: Door, v1: Bundle) -> None:
    said = door("release", "--bundle", v1.path, "--timeout", "0.1")
    assert said.code == 5
    assert "Allow more with --timeout" in said.err
    assert door("status").code == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_put_all_back(number: int, served: Door, v2: Bundle, v3: Bundle) -> None:
    before = served("status", "--json").out
    words = ("--bundle", v3.path, "--set", "gates.requests=1000000")
    process = subprocess.Popen(
        served.command("release", *words), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr
    for line in process.stderr:
        if "traffic: " in line:
            break
    process.send_signal(number)
    rest = process.communicate(timeout=600)[1]
    assert process.returncode == 130
    assert f"put traffic back: {name_of(v2)} 100 %" in rest
    assert served("status", "--json").out == before


def test_a_killed_router_leaves_no_model_server(door: Door, v1: Bundle) -> None:
    assert door("release", "--bundle", v1.path).code == 0
    pid = _router(door)
    children = _children(pid)
    assert children
    os.kill(pid, signal.SIGKILL)
    _wait_until_ended(children)


def _router(door: Door) -> int:
    return int(json.loads((door.state / "local" / "running.json").read_text())["pid"])


def _wait_until_ended(pids: list[int]) -> None:
    deadline = time.monotonic() + 300
    while any(map(_runs, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in pids if _runs(pid)] == []


def _children(pid: int) -> list[int]:
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for each in lists for child in each.read_text().split()]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
