"""Releases from Python: verbs of the command line as functions that return records."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from tridock.deploy.cli.session import Session, connect, deleting
from tridock.deploy.config import load
from tridock.deploy.models import approval
from tridock.deploy.progress import Progress
from tridock.deploy.rollout import endpoint_changes
from tridock.deploy.rollout.release import release as run_release
from tridock.deploy.rollout.request import Rollout
from tridock.deploy.rollout.rollback import rollback as run_rollback
from tridock.deploy.target.records import Endpoint
from tridock.deploy.waiting import retry

if TYPE_CHECKING:
    from tridock.inference.bundle.bundle import Bundle


@dataclass(frozen=True)
class Account:
    """The account that a call works in: emulated on this machine, unless it is `live`.

    Attributes
    ----------
    target : str
        A name of `tridock.deploy.target.plugins.TARGETS`; by default that of the configuration.
    live : bool
        Use the real account. What is released there costs money, and no question is put.
    file : Path or None
        Configuration; by default ``release.toml`` of the current folder, if there is one.
    settings : Mapping[str, str]
        Other keys of the configuration, as ``--set`` takes them: ``{"gates.requests": "50"}``.
    quiet : bool
        Write no progress to standard error.
    """

    target: str = ""
    live: bool = False
    file: Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = False


#: The emulated account that ``release.toml`` names, else the router on this machine.
DEFAULT = Account()


def release(
    bundle: Bundle | Path, endpoint: str = "", *, account: Account = DEFAULT, reason: str = ""
) -> Endpoint:
    """Release a bundle to an endpoint, in steps that are judged; restore traffic on any failure.

    Parameters
    ----------
    bundle : Bundle or Path
        A bundle, or its folder.
    endpoint : str, optional
        By default the configuration's, else the bundle's name.
    account : Account
        Where to release.
    reason : str, optional
        Kept in the endpoint's history.

    Returns
    -------
    Endpoint
        As it serves after the release.

    Raises
    ------
    DeployError
        `GateError` if a gate refuses the new deployment or a live account's bundle is not
        approved; `ConfigError`, `TargetError`, `DeadlineError` and others say what went wrong.
    """
    folder = bundle if isinstance(bundle, Path) else bundle.path
    with _session(account, {"bundle": str(folder), "endpoint": endpoint}) as session:
        verified = session.bundle()
        approval.demand(session.objection(verified), session.config.target, None)
        order = replace(session.order(verified), why=reason)
        with session.alone(f"release of {verified.name} {verified.version}") as alone:
            return run_release(alone.rollout(verified), verified, order)


def status(endpoint: str, *, account: Account = DEFAULT) -> Endpoint:
    """Return an endpoint: its deployments, their states, and the split of traffic.

    Raises
    ------
    NotFoundError
        If there is no such endpoint.
    """
    with _session(account, {"endpoint": endpoint}) as session:
        return session.target.describe(session.endpoint)


def invoke(endpoint: str, request: Any, *, account: Account = DEFAULT) -> Any:
    """Send a request to an endpoint and return the answer, both as values of JSON.

    Parameters
    ----------
    endpoint : str
        Name of the endpoint.
    request : JSON-ready value
        For example ``{"instances": [[5.1, 3.5, 1.4, 0.2]]}``.
    account : Account
        Where the endpoint is.

    Raises
    ------
    InvokeError
        If the model server refuses the request, with its answer.
    """
    body = json.dumps(request).encode()
    with _session(account, {"endpoint": endpoint}) as session:
        return json.loads(session.target.invoke(session.endpoint, body))


def rollback(
    endpoint: str, *, account: Account = DEFAULT, to: str = "", reason: str = ""
) -> Endpoint:
    """Move all traffic of an endpoint to what served before the last release.

    Parameters
    ----------
    endpoint : str
        Name of the endpoint.
    account : Account
        Where the endpoint is.
    to : str, optional
        Another deployment to move it to.
    reason : str, optional
        Kept in the endpoint's history.

    Raises
    ------
    DeployError
        If no earlier deployment is left.
    """
    with _session(account, {"endpoint": endpoint}) as session, session.alone("rollback") as alone:
        rollout = Rollout(alone.target, say=session.say)
        return run_rollback(rollout, session.endpoint, session.deadline(), to=to, why=reason)


def delete(endpoint: str, *, account: Account = DEFAULT) -> None:
    """Delete an endpoint and all that it holds. To delete an absent one is no error.

    Raises
    ------
    DeadlineError
        If it is not gone in time.
    """
    with _session(account, {"endpoint": endpoint}) as session, deleting(session) as alone:
        endpoint_changes.remove(alone.target, session.endpoint, session.deadline())


@contextmanager
def _session(account: Account, flags: Mapping[str, str]) -> Iterator[Session]:
    """Open a session; leave no variable of an emulated account in this process's environment."""
    named = {**account.settings, **flags, "target": account.target}
    given = {key: value for key, value in named.items() if value}
    config = load.load(account.file or load.in_folder(), given)
    progress = Progress(Console(stderr=True, highlight=False, quiet=account.quiet))
    before = dict(os.environ)
    try:
        session = connect(config, progress, live=account.live)
        try:
            yield session
        finally:
            retry.close(session.target)
    finally:
        os.environ.clear()
        os.environ.update(before)
