"""An unmodified azure-ai-ml releases our image, by the hosts of the real cloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.emulators.azure.conftest import Facts, RunScript


@pytest.fixture(scope="module")
def facts(run_script: RunScript, iris: Path, tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return run_script("release.py", iris, tmp_path_factory.mktemp("work"))


def test_a_model_is_registered_and_downloaded_whole(facts: Facts) -> None:
    assert facts["latest"] == "1"
    assert facts["files"] == ["manifest.json", "model.joblib", "model.onnx"]


def test_the_scoring_address_is_the_real_host_name(facts: Facts) -> None:
    assert facts["uri"] == "https://release-ep.eastus.inference.ml.azure.com/score"


def test_both_deployments_come_up(facts: Facts) -> None:
    assert (facts["blue"], facts["green"]) == ("succeeded", "succeeded")


def test_traffic_is_kept_as_it_was_set(facts: Facts) -> None:
    assert facts["traffic"] == {"blue": 100}
    assert facts["split"] == {"blue": 70, "green": 30}


def test_predictions_are_those_of_the_model(facts: Facts) -> None:
    assert facts["answer"] == {"predictions": [0, 2]}


def test_logs_are_the_containers_own(facts: Facts) -> None:
    assert '"route":"/score"' in facts["log"]


def test_a_deployment_keeps_its_tags_and_takes_more_instances(facts: Facts) -> None:
    assert facts["tags"] == {"digest": "abc"}
    assert facts["instances"] == 2


def test_a_rotated_key_is_new_and_the_other_stays(facts: Facts) -> None:
    assert facts["primary kept"]
    assert facts["secondary changed"]


def test_nothing_is_left_after_the_end(facts: Facts) -> None:
    assert facts["left"] == ["blue"]
    assert "release-ep" not in facts["endpoints"]
