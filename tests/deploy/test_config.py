from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.deploy.memory import MemoryTarget
from tridock.deploy.config import keys, scaling
from tridock.deploy.config.load import load
from tridock.deploy.target.errors import ConfigError
from tridock.deploy.target.plugins import find, open_target
from tridock.deploy.target.records import Scaling

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "release.toml"
    path.write_text('endpoint = "iris"\nsteps = [50, 100]\n\n[gates]\nrequests = 7\n')
    return path


def test_flag_over_environment_over_file_over_default(file: Path) -> None:
    assert load(None, {}, {}).gates.requests == 20
    assert load(file, {}, {}).gates.requests == 7
    environment = {"TRIDOCK_GATES_REQUESTS": "8"}
    assert load(file, {}, environment).gates.requests == 8
    assert load(file, {"gates.requests": "9"}, environment).gates.requests == 9


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('endpont = "iris"', r"release.toml: unknown key 'endpont': did you mean 'endpoint'"),
        (
            "[gates]\nerror_rat = 1",
            r"'gates.error_rat': did you mean 'gates.error_rate'",
        ),
        ("[gate]\nx = 1", r"unknown key 'gate.x'"),
        ("[aws]\nbuckt = 'x'", r"unknown key 'aws.buckt': did you mean 'aws.bucket'"),
        ("colour = 1", r"unknown key 'colour': docs/release-toml.md lists the keys"),
        ("steps = [50, 10]", r"release.toml: steps is \[50, 10\]: the steps must rise"),
        ("steps = [50]", r"end with 100"),
        ("steps = [1.5, 100]", r"whole number"),
        ("keep_previous = 1", r"keep_previous is 1: true or false"),
        ("[gates]\nerror_rate = 2", r"gates.error_rate is 2: a ratio from 0 to 1"),
        ("[gates]\nrequests = -1", r"at least 0"),
        ("[gates]\nlatency_p95 = nan", r"from 0 on"),
        ('endpoint = "Iris_1"', r"endpoint is 'Iris_1': 3 to 32"),
        ('endpoint = "a--b"', r"no hyphen last or twice"),
        ("timeout = true", r"timeout is True: a number"),
        ("steps = ", r"cannot be read"),
        ("[scaling]\nminimum = 1", r"scaling.maximum is not set"),
        ("[scaling]\nmaximum = 2", r"scaling.target is not set: requests for each instance"),
        ("[scaling]\nminimum = 3\nmaximum = 2\ntarget = 9", r"3 and scaling.maximum 2"),
        ("[scaling]\nmaximum = 2\ntarget = 101\nmetric = 'cpu'", r"at most 100"),
        ("[scaling]\nmetric = 'memory'", r"one of requests, concurrency, cpu"),
        ("[scaling]\ntarget = 0", r"scaling.target is 0: at least 1"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(file: Path, line: str, words: str) -> None:
    file.write_text(line)
    with pytest.raises(ConfigError, match=words):
        load(file, {}, {})


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(ConfigError, match=r"TRIDOCK_STEPS is '50': the steps must rise"):
        load(None, {}, {"TRIDOCK_STEPS": "50"})


def test_an_unknown_target_is_told_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown target 'moon': choose one of .*local"):
        load(None, {"target": "moon"}, {})


@pytest.mark.parametrize(
    ("target", "services"),
    [("gcp", "vertex-ai or cloud-run"), ("azure", "azure-ml, container-apps or aci")],
)
def test_an_unknown_service_is_told_the_known_ones(target: str, services: str) -> None:
    settings = {name: one.default for name, one in find(target).settings.items()}
    with pytest.raises(ConfigError, match=rf"{target}\.service is 'moon': choose {services}"):
        open_target(target, settings | {"service": "moon"})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        load(tmp_path / "none.toml", {}, {})


def test_paths_of_the_file_are_relative_to_it_and_others_to_here(file: Path) -> None:
    file.write_text('bundle = "b"\n')
    assert load(file, {}, {}).bundle == file.parent / "b"
    assert load(file, {"bundle": "c"}, {}).bundle == Path("c")


def test_settings_are_those_of_the_chosen_target_and_know_who_said_them(file: Path) -> None:
    file.write_text('[aws]\nbucket = "mine"\n')
    found = load(file, {"target": "aws"}, {"TRIDOCK_AWS_ROLE": "arn"})
    assert (found.settings["bucket"], found.settings["role"]) == ("mine", "arn")
    assert found.explicit == {"role"}
    assert load(file, {}, {}).settings == {}


@given(st.lists(st.integers(-5, 120), max_size=5))
def test_accepted_steps_rise_to_100(steps: list[int]) -> None:
    try:
        found = keys.steps(steps)
    except ValueError:
        return
    assert found[-1] == 100
    assert list(found) == sorted(set(found))
    assert found[0] >= 1


@given(st.text(max_size=40))
def test_accepted_endpoint_names_are_the_clouds_common_ones(name: str) -> None:
    try:
        found = keys.endpoint(name)
    except ValueError:
        return
    assert found == name
    assert 3 <= len(found) <= 32
    assert "--" not in found


def test_the_examples_configurations_are_read() -> None:
    for file in sorted((ROOT / "examples").glob("*/release.toml")):
        assert load(file, {}, {}).endpoint == file.parent.name


def test_scaling_is_what_its_table_says_and_nothing_without_it(file: Path) -> None:
    assert load(file, {}, {}).scaling is None
    file.write_text("[scaling]\nmaximum = 4\ntarget = 600\n")
    assert load(file, {}, {}).scaling == Scaling(1, 4, "requests", 600)
    assert load(file, {"scaling.maximum": "0"}, {}).scaling is None


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"scaling": "one process"}, r"target memory has no \[scaling\]: one process"),
        ({"scaling by cpu": "no metric"}, r"has not: no metric. It has requests, concurrency"),
        ({"scaling to zero": "one stays"}, r"minimum is 0, and target memory keeps .*one stays"),
    ],
)
def test_a_scaling_that_a_target_cannot_do_is_refused_with_its_reason(
    limits: dict[str, str], words: str
) -> None:
    wanted = Scaling(0, 3, "cpu", 60)
    scaling.check(wanted, MemoryTarget())
    scaling.check(None, MemoryTarget(limits=limits))
    with pytest.raises(ConfigError, match=words):
        scaling.check(wanted, MemoryTarget(limits=limits))


@given(st.integers(1, 20), st.integers(0, 10), st.integers(0, 10))
def test_a_release_begins_within_its_bounds_and_with_one_instance_at_least(
    count: int, least: int, more: int
) -> None:
    begun = scaling.start(count, Scaling(least, max(1, least + more), "requests", 1))
    assert max(1, least) <= begun <= max(1, least + more)
    assert scaling.start(count, None) == count


@pytest.mark.parametrize("text", ["[20, 100]", "20,100"])
def test_a_flags_value_may_be_as_in_the_file(text: str) -> None:
    assert load(None, {"steps": text}, {}).strategy.steps == (20, 100)
    assert load(None, {"endpoint": '"iris"', "bake": "[1, 2, 3]"}, {}).endpoint == "iris"


@pytest.mark.parametrize(
    ("key", "shown"), [("steps", "--set steps"), ("timeout", "--timeout"), ("bake", "--set bake")]
)
def test_a_wrong_flag_is_named_as_it_was_given(key: str, shown: str) -> None:
    with pytest.raises(ConfigError, match=f"^{shown} is '\\[-1]': "):
        load(None, {key: "[-1]"}, {})
