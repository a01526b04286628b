"""Changes to an endpoint, in the order and with the waits that every cloud accepts."""

from __future__ import annotations

from deploy import wait
from deploy.errors import ConflictError
from deploy.target import Target
from deploy.wait import Deadline


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
        wait.until_settled(target, endpoint, deadline)
        target.delete(endpoint)
    wait.until_gone(target, endpoint, deadline)
    target.purge(endpoint)


def retire(target: Target, endpoint: str, deployment: str, deadline: Deadline) -> None:
    """Undeploy a deployment without traffic, wait until it is gone, and remove what it leaves.

    Raises
    ------
    DeadlineError
        If the endpoint is not settled in time.
    """
    wait.until_settled(target, endpoint, deadline)
    target.undeploy(endpoint, deployment)
    wait.until_settled(target, endpoint, deadline)
    target.purge(endpoint)


def shift(target: Target, endpoint: str, traffic: dict[str, int], deadline: Deadline) -> None:
    """Set the traffic, and wait until the cloud has done it; nothing to do is nothing done.

    Raises
    ------
    DeadlineError
        If the endpoint is not settled in time.
    """
    if wait.until_settled(target, endpoint, deadline).traffic != traffic:
        target.set_traffic(endpoint, traffic)
        wait.until_settled(target, endpoint, deadline)
