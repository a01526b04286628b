"""A user's own scripts, online and in batches, by both ways of leading a client here."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.emulators.azure.conftest import Facts, RunScript

#: Left out of the environment when a client is led by the cloud's metadata alone.
PROXIES = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), "")


@pytest.fixture(scope="module", params=["proxy", "metadata"])
def facts(
    request: pytest.FixtureRequest,
    run_script: RunScript,
    environment: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Facts:
    work = tmp_path_factory.mktemp("work")
    if request.param == "proxy":
        return run_script("scripted.py", work, "by-proxy")
    local = environment["TRIDOCK_AZURE_LOCAL"]
    url = f"{local}/metadata/endpoints?api-version=2019-05-01"
    more = {**PROXIES, "ARM_CLOUD_METADATA_URL": url, "AUTHORITY": local}
    return {**run_script("scripted.py", work, "by-metadata", **more), "local": local}


def test_addresses_are_those_by_which_the_client_came(facts: Facts) -> None:
    if "local" in facts:
        assert facts["uri"] == f"{facts['local']}/_endpoints/by-metadata/score"
    else:
        assert facts["uri"] == "https://by-proxy.eastus.inference.ml.azure.com/score"


def test_the_users_script_answers_with_the_registered_model(facts: Facts) -> None:
    assert facts["answer"] == "[2,4,6]"


def test_a_crashing_container_fails_the_deployment_with_its_own_words(facts: Facts) -> None:
    assert "(ResourceNotReady) User container has crashed or terminated" in facts["crash"]
    assert "OSError: weights are missing" in facts["crash"]


def test_a_failed_deployment_stays_and_shows_its_log(facts: Facts) -> None:
    assert "FAILED" in facts["crashed state"].upper()
    assert "OSError: weights are missing" in facts["crash log"]


def test_a_batch_job_runs_init_once_and_run_for_each_mini_batch(facts: Facts) -> None:
    assert facts["job"] == "Completed"
    assert facts["rows"] == ["0.txt 0 batch 1", "1.txt 2 batch 1", "2.txt 4 batch 2"]


def test_an_endpoint_lists_the_jobs_it_started(facts: Facts) -> None:
    assert facts["jobs"] == [True]
