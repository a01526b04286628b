"""The AWS deployer's policy, as Terraform renders it, is enough for releases and holds no more.

Releases, a rollback and a deletion run under it in an emulated account that enforces IAM. Then the
same story is told verb by verb: each action is taken away where it is needed, and the verb fails.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.deploy import bundles
from tests.terraform.enforced import Standing, standing
from tests.terraform.module import Module, UnavailableError
from tridock.deploy.rollout import endpoint_changes
from tridock.deploy.rollout.release import release
from tridock.deploy.rollout.request import ReleaseRequest, Rollout
from tridock.deploy.rollout.rollback import rollback
from tridock.deploy.strategies import Step
from tridock.deploy.target.errors import PermissionDeniedError
from tridock.deploy.target.model_registry import Approval
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import Release, Scaling, deployment_name
from tridock.deploy.waiting import wait
from tridock.deploy.waiting.wait import Deadline
from tridock.inference.bundle.bundle import Bundle

ENDPOINT = "iris"
LINKED_ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
SCALING = Scaling(1, 2, "requests", 600)
ROW = b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
#: S3 names no action when it refuses; its operations need these ("Actions, resources, and
#: condition keys for Amazon S3").
OF_S3 = {"s3:HeadObject": "s3:GetObject", "s3:ListObjectsV2": "s3:ListBucket"}

Verb = Callable[[Target], object]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    try:
        module = Module.copied("aws", tmp_path_factory.mktemp("terraform"))
        outputs = module.apply()
    except UnavailableError as error:
        pytest.skip(str(error))
    with pytest.MonkeyPatch.context() as environment:
        state = tmp_path_factory.mktemp("state")
        with standing(outputs, state, environment) as account:
            yield account


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Bundle]:
    folder = tmp_path_factory.mktemp("bundles")
    return [bundles.good(folder / number, number) for number in ("1", "2", "3")]


def test_releases_a_rollback_and_a_deletion_run_under_the_policy(
    account: Standing, versions: Sequence[Bundle]
) -> None:
    account.allow(account.actions)
    target = account.target()
    stage = Rollout(target)
    for bundle in versions:
        wanted = replace(_release(account, bundle), scaling=SCALING)
        release(stage, bundle, ReleaseRequest(wanted, (Step(50), Step(100)), True, _soon()))
    assert target.endpoints() == [ENDPOINT]
    found = rollback(stage, ENDPOINT, _soon())
    assert found.traffic == {_name(versions[1]): 100}
    endpoint_changes.remove(target, ENDPOINT, _soon())
    assert target.endpoints() == []


def test_a_sweep_runs_under_the_policy_and_leaves_what_somebody_elses_configuration_names(
    account: Standing, versions: Sequence[Bundle]
) -> None:
    account.allow(account.actions)
    target, sagemaker = account.target(), account.root.client("sagemaker")
    name = f"{ENDPOINT}--v9"
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=target.role,
        PrimaryContainer={"Image": account.outputs["deploy"]["image"]},
        Tags=[{"Key": "tridock:endpoint", "Value": ENDPOINT}],
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName="theirs",
        ProductionVariants=[
            {
                "VariantName": "one",
                "ModelName": name,
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
            }
        ],
    )
    assert target.orphans() == ()
    sagemaker.delete_endpoint_config(EndpointConfigName="theirs")
    target.upload(versions[0])
    found = target.orphans()
    assert [one.kind for one in found] == ["model", "stored bundle"]
    for one in found:
        target.discard(one)
    assert target.orphans() == ()


def test_each_action_that_is_taken_away_is_missed(
    account: Standing, versions: Sequence[Bundle]
) -> None:
    # The first registration of an account makes this role, and the story above did.
    account.root.client("iam").delete_service_linked_role(RoleName=LINKED_ROLE)
    missed: set[str] = set()
    for verb in _story(account, versions):
        while lacking := _refused(account, verb, missed):
            assert lacking in account.actions - missed
            assert _refused(account, verb, account.actions - {lacking}) == lacking
            missed.add(lacking)
    sys.stdout.write(f"\n{len(account.actions)} actions in the policy, {len(missed)} missed\n")
    assert missed == account.actions


def _refused(account: Standing, verb: Verb, actions: set[str]) -> str:
    """Return the action whose lack made the verb fail, nothing if it did not."""
    account.allow(actions)
    try:
        verb(account.target())
    except PermissionDeniedError as error:
        named = re.search(r"not authorized to perform: (\w+:\w+)", str(error))
        return named[1] if named else OF_S3.get(error.operation, error.operation)
    return ""


def _story(account: Standing, versions: Sequence[Bundle]) -> Iterator[Verb]:
    """Yield the verbs of a release, a rollback and a deletion, in their order."""
    first, second = versions[:2]
    for bundle in (first, second):
        yield lambda target, bundle=bundle: target.upload(bundle)  # type: ignore[misc]
        wanted = _release(account, bundle)
        yield lambda target, wanted=wanted: target.deploy(wanted)  # type: ignore[misc]
        yield lambda target: wait.until_settled(target, ENDPOINT, _soon())
        yield lambda target, wanted=wanted: target.scale(ENDPOINT, wanted.name, SCALING)  # type: ignore[misc]
    yield lambda target: target.models.register(first)
    yield lambda target: target.models.approve(first.name, "1", Approval.APPROVED, "Ann")
    yield lambda target: target.models.alias(first.name, "champion", "1")
    yield lambda target: [target.models.versions(name) for name in target.models.names()]
    yield lambda target: _fetched(target, first.name)
    yield lambda target: target.describe(ENDPOINT)
    yield lambda target: target.endpoints()
    yield lambda target: target.set_traffic(ENDPOINT, {_name(second): 100})
    yield lambda target: wait.until_settled(target, ENDPOINT, _soon())
    yield lambda target: target.invoke(ENDPOINT, ROW)
    yield lambda target: target.logs(ENDPOINT, _name(second))
    yield lambda target: _measured(target, _name(second))
    yield lambda target: target.undeploy(ENDPOINT, _name(first))
    yield lambda target: wait.until_settled(target, ENDPOINT, _soon())
    yield lambda target: target.purge(ENDPOINT)
    yield lambda target: target.delete(ENDPOINT)
    yield lambda target: wait.until_gone(target, ENDPOINT, _soon())
    yield lambda target: target.purge(ENDPOINT)


def _fetched(target: Target, model: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        target.models.fetch(target.models.versions(model)[0], Path(folder))


def _measured(target: Target, deployment: str) -> None:
    """Look at what was measured, which reads the log as soon as there is something."""
    began = datetime(2020, 1, 1, tzinfo=UTC)
    for _ in wait.looks(_soon()):
        found = target.metrics(ENDPOINT, deployment, began)
        if found and found.requests:
            return


def _release(account: Standing, bundle: Bundle) -> Release:
    told = account.outputs["deploy"]
    return Release(
        ENDPOINT,
        _name(bundle),
        f"s3://{told['bucket']}/bundles/{bundle.digest}/model.tar.gz",
        image=told["image"],
        instance="ml.m5.large",
        bundle=bundle.name,
        version=bundle.version,
        digest=bundle.digest,
    )


def _name(bundle: Bundle) -> str:
    return deployment_name(bundle.version, bundle.digest)


def _soon() -> Deadline:
    return Deadline.after(900)
