"""After a failed release: traffic as it was, and nothing half-done left."""

from __future__ import annotations

from contextlib import suppress

from tridock.deploy import strategies
from tridock.deploy.rollout import endpoint_changes, experiment, history
from tridock.deploy.rollout.request import ReleaseRequest, Rollout
from tridock.deploy.target.errors import ConflictError, DeployError, NotFoundError
from tridock.deploy.target.records import Endpoint
from tridock.deploy.waiting.wait import Deadline


def put_back(
    rollout: Rollout, order: ReleaseRequest, before: Endpoint | None, failure: BaseException
) -> bool:
    """Undo what a release began, and note on `failure` what could not be undone.

    It has as much time as the release had. A second Ctrl-C ends it.

    Returns
    -------
    bool
        Whether all is as it was.
    """
    deadline = order.deadline.again()
    try:
        experiment.end(rollout.target.notes, order.wanted.endpoint)
        if before and history.is_broken(before, order.wanted.name):
            failure.add_note(_left(before, order.wanted.name))
        elif before is None or history.is_first(before, order.wanted.name):
            _remove(rollout, order.wanted.endpoint, order.wanted.name, deadline)
        else:
            _restore(rollout, before, order.wanted.name, deadline)
        experiment.end(rollout.target.notes, order.wanted.endpoint)
    except DeployError as error:
        failure.add_note(
            f"Putting things back failed, too: {error}\n"
            f"See `tridock status`; the same release again, or `rollback`, goes on."
        )
        return False
    return True


def put_traffic_back(
    rollout: Rollout, before: Endpoint, deadline: Deadline, failure: BaseException
) -> bool:
    """Split traffic as before, taking nothing away; note on `failure` if that cannot be done.

    Returns
    -------
    bool
        Whether traffic is as it was.
    """
    traffic = dict(before.traffic)
    try:
        with rollout.say.step(f"put traffic back: {history.traffic_text(traffic)}"):
            endpoint_changes.shift(rollout.target, before.name, traffic, deadline)
    except DeployError as error:
        failure.add_note(f"Putting traffic back failed, too: {error}")
        return False
    return True


def _left(before: Endpoint, name: str) -> str:
    return (
        f"{name} had failed before this release, and {before.name} is left as it was. Release "
        "another version to repair it; `tridock delete` removes it"
    )


def _remove(rollout: Rollout, endpoint: str, new: str, deadline: Deadline) -> None:
    """Delete what a first release made, and nothing that others serve behind it."""
    with suppress(NotFoundError):
        others = sorted(set(rollout.target.describe(endpoint).deployments) - {new})
        if others:
            raise ConflictError(f"{endpoint} has {', '.join(others)}, too: it is left as it is")
    with rollout.say.step(f"delete endpoint {endpoint}: it was made by this release"):
        endpoint_changes.remove(rollout.target, endpoint, deadline)


def _restore(rollout: Rollout, before: Endpoint, new: str, deadline: Deadline) -> None:
    previous = history.previous(before, new)
    traffic = strategies.without(before.traffic, new) or {previous or new: 100}
    with rollout.say.step(f"put traffic back: {history.traffic_text(traffic)}"):
        endpoint_changes.shift(rollout.target, before.name, traffic, deadline)
    if history.is_older(before, new):
        return
    with rollout.say.step(f"undeploy {new}"):
        endpoint_changes.retire(rollout.target, before.name, new, deadline)
