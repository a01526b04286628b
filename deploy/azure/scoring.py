"""Requests to an endpoint's own address.

The SDK's `invoke` sends files only, sends a request again that failed, and keeps the name of a
deployment for all later calls of the process.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx

from tridock.deploy.azure.account import Account
from tridock.deploy.azure.errors import refused, translated
from tridock.deploy.target.errors import DeployError, InvokeError, before_sending
from tridock.deploy.target.hosts import trusted
from tridock.deploy.target.metrics import Own
from tridock.inference.cloud_hosts import AZURE_SCORING

#: What the service answers for the model: its error, its time, its load ("Troubleshoot online
#: endpoints deployment and scoring", HTTP status codes).
OF_THE_MODEL = (408, 424, 429)
TIMEOUT = 190.0


@dataclass(frozen=True)
class Address:
    """Address and key of an endpoint."""

    url: str
    key: str


@dataclass(frozen=True)
class Scoring:
    """The endpoints of one workspace.

    Attributes
    ----------
    known : dict of str to Address
        By endpoint: address and key are read once, until the key is refused.
    own : Own
        Requests that named their deployment.
    """

    account: Account
    known: dict[str, Address] = field(default_factory=dict)
    own: Own = field(default_factory=Own)

    def invoke(self, endpoint: str, body: bytes, deployment: str | None) -> bytes:
        """Send one request and return the answer.

        Raises
        ------
        InvokeError
            If the model server answered an error; it has the status the *model server* gave.
        NotFoundError
            If there is no such endpoint or deployment.
        """
        answer = self._send(endpoint, body, deployment)
        if answer.status_code == httpx.codes.UNAUTHORIZED:  # the key was rotated meanwhile
            self.known.pop(endpoint, None)
            answer = self._send(endpoint, body, deployment)
        if deployment:
            self.own.note(endpoint, deployment, failed=_status(answer) >= 500)
        if answer.is_error:
            raise _error(endpoint, answer)
        return answer.content

    def address(self, endpoint: str) -> Address:
        """Return an endpoint's address and its primary key."""
        if endpoint not in self.known:
            with before_sending(), translated("onlineEndpoints:listKeys"):
                described = self.account.client.online_endpoints.get(endpoint)
                keys = self.account.client.online_endpoints.get_keys(endpoint)
            key = getattr(keys, "primary_key", None) or getattr(keys, "access_token", "")
            self.known[endpoint] = Address(str(described.scoring_uri), str(key))
        return self.known[endpoint]

    def _send(self, endpoint: str, body: bytes, deployment: str | None) -> httpx.Response:
        address = self.address(endpoint)
        url = trusted(address.url, AZURE_SCORING, operation="score")
        headers = {"Authorization": f"Bearer {address.key}", "Content-Type": "application/json"}
        headers |= {"azureml-model-deployment": deployment} if deployment else {}
        with translated("score"):
            return self.account.http.post(url, content=body, headers=headers, timeout=TIMEOUT)


def _error(endpoint: str, answer: httpx.Response) -> DeployError:
    status = _status(answer)
    text = f"{endpoint} answered {status}: {answer.text}"
    if answer.status_code in OF_THE_MODEL or answer.status_code >= 500:
        return InvokeError(text, operation="score", code=str(answer.status_code), status=status)
    return refused(answer.status_code, text, operation="score", headers=answer.headers)


def _status(answer: httpx.Response) -> int:
    """Return the status that the model server gave, where it gave one."""
    return int(answer.headers.get("ms-azureml-model-error-statuscode", answer.status_code))
