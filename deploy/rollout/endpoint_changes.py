"""Changes to an endpoint, in the order and with the waits that every cloud accepts."""

from __future__ import annotations

from contextlib import suppress

from tridock.deploy.rollout import experiment, journal
from tridock.deploy.target.errors import ConflictError, NotFoundError, RolledBackError
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import Endpoint, Release
from tridock.deploy.waiting import wait
from tridock.deploy.waiting.wait import Deadline

#: Seconds in which a cloud may still show what was before a change that it says is done.
GRACE = 10.0


def remove(target: Target, endpoint: str, deadline: Deadline) -> None:
    """Delete an endpoint, wait until it is gone, and remove what outlives it. Absent is success.

    Raises
    ------
    DeadlineError
        If it is not gone in time.
    """
    try:
        target.delete(endpoint)
    except ConflictError:  # a change is under way, and the cloud deletes only what is settled
        with suppress(NotFoundError):  # it was another delete
            wait.until_settled(target, endpoint, deadline)
            target.delete(endpoint)
    wait.until_gone(target, endpoint, deadline)
    target.purge(endpoint)
    experiment.end(target.notes, endpoint)
    journal.end(target.notes, endpoint)


def retire(target: Target, endpoint: str, deployment: str, deadline: Deadline) -> None:
    """Undeploy a deployment without traffic, wait until it is gone, and remove what it leaves.

    Copies of requests to it end first.

    Raises
    ------
    DeadlineError
        If the endpoint is not settled in time.
    """
    copy(target, endpoint, deployment, 0, deadline)
    target.undeploy(endpoint, deployment)
    wait.until_settled(target, endpoint, deadline)
    target.purge(endpoint)


def shift(target: Target, endpoint: str, traffic: dict[str, int], deadline: Deadline) -> Endpoint:
    """Set the traffic, and wait until the cloud has done it; nothing to do is nothing done.

    Returns
    -------
    Endpoint
        As it is then.

    Raises
    ------
    DeadlineError
        If the endpoint is not settled in time.
    """
    current = wait.until_settled(target, endpoint, deadline)
    if current.traffic == traffic:
        return current
    target.set_traffic(endpoint, traffic)
    return wait.until_settled(target, endpoint, deadline)


def copy(
    target: Target, endpoint: str, deployment: str, percent: int, deadline: Deadline
) -> Endpoint:
    """Let a deployment get copies of requests, or none, and wait until the cloud has done it.

    Raises
    ------
    RolledBackError
        If the cloud took it back.
    DeadlineError
        If the endpoint is not settled in time.
    """
    current = wait.until_settled(target, endpoint, deadline)
    if current.shadow.get(deployment, 0) == percent:
        return current
    target.shadow(endpoint, deployment, percent)
    for _ in wait.looks(deadline.of(GRACE)):
        current = wait.until_settled(target, endpoint, deadline)
        if current.shadow.get(deployment, 0) == percent:
            return current
    raise RolledBackError(
        f"the cloud took copies of {percent} % of the requests to {endpoint}/{deployment} back by "
        f"itself: {current.reason or 'it gave no reason'}"
    )


def is_resized(target: Target, new: Release, current: Endpoint) -> bool:
    """Tell whether an existing deployment is to have another number of instances, in place."""
    is_fixed = "scaling again" in target.limits
    return not new.scaling and not is_fixed and current.deployments[new.name].count != new.count
