"""One Google Cloud project and location: its clients, made when they are first used.

In the emulated project, `provision` makes what Terraform makes in a real one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import google.auth
import requests
from google.auth.credentials import Credentials
from google.auth.transport.requests import AuthorizedSession, Request

from tridock.deploy.gcp.errors import translated
from tridock.deploy.target.errors import ConfigError, ConflictError
from tridock.deploy.target.metrics import Own

LOCATION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
#: Of one call: a prediction on a shared endpoint may take 60 s ("Choose an endpoint type").
TIMEOUT_SECONDS = 70.0
DEBUGGING = "https://oauth2.googleapis.com/tokeninfo"


@dataclass(frozen=True)
class Account:
    """Clients by application default credentials.

    Attributes
    ----------
    credentials : Credentials
        Who we are.
    project, location : str
        Where we work.
    runs_as : str
        Service account of the containers; empty for the service's own.
    own : Own
        Requests of our own to single deployments.
    begun : dict
        Operations that deploy, by endpoint and deployment, that no label remembers yet.
    """

    credentials: Credentials
    project: str
    location: str
    runs_as: str = ""
    own: Own = field(default_factory=Own, compare=False)
    begun: dict[tuple[str, str], Any] = field(default_factory=dict, compare=False)

    @classmethod
    def open(cls, settings: Mapping[str, str]) -> Account:
        """Return the account that the credentials lead to.

        Raises
        ------
        ConfigError
            If neither the settings nor the credentials name a project. If the location, which is
            part of the host that gets our token, is no location's name.
        """
        location = settings["location"]
        if not LOCATION.fullmatch(location):
            raise ConfigError(f"[gcp] location is {location!r}: name one such as us-central1")
        with translated("auth"):
            credentials, project = google.auth.default(scopes=[SCOPE])
        project = settings.get("project") or project
        if not project:
            raise ConfigError("no project: set project in [gcp], or GOOGLE_CLOUD_PROJECT")
        return cls(credentials, project, location, settings["service_account"])

    @property
    def parent(self) -> str:
        """The name of the parent of all resources."""
        return f"projects/{self.project}/locations/{self.location}"

    @property
    def host(self) -> str:
        """The regional host of Vertex AI."""
        return f"{self.location}-aiplatform.googleapis.com"

    def identity(self) -> str:
        """Get a token, so that bad credentials show, and say who we are."""
        with translated("oauth2:Token"):
            self.credentials.refresh(Request())
        who = self._principal() or "a user"
        elsewhere = os.environ.get("TRIDOCK_GCP_URL")
        return f"project {self.project}, {self.location}, as {who}" + (
            f", at {elsewhere}" if elsewhere else ""
        )

    def caller(self) -> str:
        """Return the account that Google knows us by.

        A service account's address is what its key, or its workload, was given a token for. Of a
        person's token, Google names its owner ("Debugging tokens", tokeninfo).
        """
        with translated("oauth2:Token"):
            self.credentials.refresh(Request())
            return self._principal() or self._holder()

    def _principal(self) -> str:
        """Return a service account's address; empty for a person."""
        email = str(getattr(self.credentials, "service_account_email", "") or "")
        return email if "@" in email else ""

    def _holder(self) -> str:
        """Ask whose token ours is."""
        answer = self.plain.post(
            DEBUGGING, data={"access_token": self.credentials.token}, timeout=TIMEOUT_SECONDS
        )
        content = answer.json() if answer.ok else {}
        named = str(content.get("email") or content.get("sub") or "")
        return named or f"an account that Google does not name ({answer.status_code})"

    @cached_property
    def session(self) -> AuthorizedSession:
        """Plain HTTP with our credentials."""
        return AuthorizedSession(self.credentials)

    @cached_property
    def plain(self) -> requests.Session:
        """Plain HTTP without our credentials: a Cloud Run service wants a token of its own."""
        return requests.Session()

    @cached_property
    def transport(self) -> Request:
        """HTTP transport that fetches tokens."""
        return Request()

    @cached_property
    def services(self) -> Any:
        """Cloud Run services."""
        from google.cloud.run_v2 import ServicesClient

        return ServicesClient(credentials=self.credentials, transport="rest")

    @cached_property
    def revisions(self) -> Any:
        """Cloud Run revisions."""
        from google.cloud.run_v2 import RevisionsClient

        return RevisionsClient(credentials=self.credentials, transport="rest")

    @cached_property
    def models(self) -> Any:
        """The model registry."""
        from google.cloud.aiplatform_v1 import ModelServiceClient

        return ModelServiceClient(**self._options)

    @cached_property
    def endpoints(self) -> Any:
        """The endpoints and what is deployed on them."""
        from google.cloud.aiplatform_v1 import EndpointServiceClient

        return EndpointServiceClient(**self._options)

    @cached_property
    def storage(self) -> Any:
        """Bucket of the bundles."""
        from google.cloud import storage

        return storage.Client(project=self.project, credentials=self.credentials)

    @property
    def _options(self) -> dict[str, Any]:
        # REST: gRPC reads its proxies and trusted certificates once for the whole process.
        return {
            "credentials": self.credentials,
            "transport": "rest",
            "client_options": {"api_endpoint": self.host},
        }


# In the emulated project, what Terraform makes in a real one: a bucket.


def provision(settings: Mapping[str, str]) -> Mapping[str, str]:
    """Make the bucket where `settings` name none, and return them completed.

    Raises
    ------
    ConfigError
        If the clients do not lead to this machine: a real project is Terraform's.
    """
    host = urlsplit(os.environ.get("HTTPS_PROXY", "")).hostname
    if host not in ("127.0.0.1", "localhost", "::1") or "TRIDOCK_GCP_URL" not in os.environ:
        raise ConfigError(f"HTTPS_PROXY leads to {host}, which is no emulator on this machine")
    account = Account.open(settings)
    registry = f"{account.location}-docker.pkg.dev/{account.project}/tridock/tridock:latest"
    return {
        **settings,
        "project": account.project,
        "bucket": settings["bucket"] or _bucket(account, f"{account.project}-models"),
        "image": settings["image"] or registry,
    }


def _bucket(account: Account, name: str) -> str:
    with suppress(ConflictError), translated("storage:CreateBucket"):
        account.storage.create_bucket(name, location=account.location, retry=None)
    return name
