"""Requests to an endpoint, and to one deployment behind it, which Vertex AI has no way to name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tridock.deploy.gcp import names
from tridock.deploy.gcp.account import TIMEOUT_SECONDS, Account
from tridock.deploy.gcp.deployments import DEPLOY_SECONDS, DeployedModels
from tridock.deploy.gcp.errors import of_status, translated
from tridock.deploy.gcp.reading import Reading
from tridock.deploy.target.errors import (
    ConflictError,
    InvokeError,
    NotFoundError,
    TargetError,
    UnavailableError,
    before_sending,
)
from tridock.deploy.target.probes import Timed
from tridock.deploy.target.records import Release

OPERATION = "aiplatform:RawPredict"
DEPLOYED = "X-Vertex-AI-Deployed-Model-Id"
#: Requests that find a deployment of one percent but for one time in 20 000.
MOST_TRIES = 1000


@dataclass(frozen=True)
class Asking:
    """Sends requests by `RawPredict`: `Predict` would make every whole number a fraction.

    Attributes
    ----------
    deployments : DeployedModels
        Where they go.
    """

    deployments: DeployedModels

    @property
    def account(self) -> Account:
        """The clients."""
        return self.deployments.account

    def ask(self, endpoint: str, body: bytes) -> bytes:
        """Return the endpoint's answer.

        Raises
        ------
        InvokeError
            If the model server answers an error.
        """
        return self._told(self._post(endpoint, body))

    def ask_one(self, reading: Reading, deployment: str, body: bytes) -> bytes:
        """Return the answer of one deployment.

        If it has traffic, the endpoint is called until an answer names that deployment; if it has
        none, a temporary endpoint that has nothing else.
        """
        if deployment not in reading.ids:
            raise NotFoundError(f"no deployment {deployment} behind {reading.name!r}")
        if not reading.traffic.get(deployment):
            with before_sending():
                alone = self._alone(reading, deployment)
            return self.ask(alone, body)
        for _ in range(MOST_TRIES):
            answer = self._post(reading.name, body)
            name = self._note(reading, answer)
            if name == deployment:
                return self._told(answer)
        raise ConflictError(
            f"{MOST_TRIES} requests to {reading.name} were answered by others than {deployment}"
        )

    def _note(self, reading: Reading, answer: Any) -> str:
        """Remember whom a request of ours met, and return the deployment's name."""
        key = answer.headers.get(DEPLOYED, "")
        answering = next((name for name, each in reading.ids.items() if each == key), "")
        self.account.own.note(reading.name, answering, failed=answer.status_code >= 500)
        return answering

    def _alone(self, reading: Reading, deployment: str) -> str:
        """Return the temporary endpoint of a deployment, brought up if it is not."""
        name = names.alone(reading.name, deployment)
        labels = {names.ENDPOINT: reading.name, names.ALONE: deployment}
        alone = self.deployments.look(name) or self.deployments.make(name, labels)
        if deployment not in alone.ids:
            deployed = next(
                model
                for model in reading.resource.deployed_models
                if model.display_name == deployment
            )
            version = self.deployments.registry.find(reading.name, deployment)
            if version is None:
                raise UnavailableError(f"the version of {deployment} is not shown yet")
            machine = deployed.dedicated_resources.machine_spec.machine_type
            release = Release(reading.name, deployment, "", instance=machine)
            try:
                with translated("aiplatform:DeployModel"):
                    self.deployments.put(alone, release, version).result(timeout=DEPLOY_SECONDS)
            except ConflictError as error:  # a run that was cut short began it
                raise UnavailableError(f"{name} is still coming up: {error}") from error
        return name

    def _post(self, endpoint: str, body: bytes) -> Any:
        where = f"{self.account.parent}/endpoints/{endpoint}"
        with translated(OPERATION):
            return self.account.session.post(
                f"https://{self.account.host}/v1/{where}:rawPredict",
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=TIMEOUT_SECONDS,
            )

    @staticmethod
    def _told(answer: Any) -> bytes:
        if answer.status_code == 200:
            return Timed.of(answer.content, answer.elapsed.total_seconds() * 1000)
        if DEPLOYED in answer.headers or not _is_googles(answer):
            raise InvokeError(
                f"the model answered {answer.status_code}: {answer.text}",
                operation=OPERATION,
                status=answer.status_code,
            )
        raise _refusal(answer)


def _is_googles(answer: Any) -> bool:
    """Tell an error of Google's front end from one of a model server."""
    try:
        return "status" in answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return False


def _refusal(answer: Any) -> TargetError:
    error = answer.json()["error"]
    return of_status(
        answer.status_code, error.get("message", ""), operation=OPERATION, code=error["status"]
    )
