"""The end of an experiment: all traffic to the new deployment, or back as if it had never been."""

from __future__ import annotations

from tridock.deploy import strategies
from tridock.deploy.rollout import endpoint_changes, experiment, history, journal, restore, steps
from tridock.deploy.rollout.journal import Entry, Outcome
from tridock.deploy.rollout.request import ReleaseRequest, Rollout
from tridock.deploy.target.errors import ConfigError
from tridock.deploy.target.records import Endpoint
from tridock.deploy.waiting import wait
from tridock.deploy.waiting.wait import Deadline


def promote(rollout: Rollout, order: ReleaseRequest) -> Endpoint:
    """Move all traffic to an existing deployment, judged; on any failure it goes back.

    Raises
    ------
    GateError
        If a gate said no: traffic is as it was, and nothing is taken away.
    DeadlineError, TargetError
        If the cloud took too long, or refused.
    """
    name, endpoint = order.wanted.name, order.wanted.endpoint
    before = wait.until_settled(rollout.target, endpoint, order.deadline)
    notes = rollout.target.notes
    if _is_promoted(rollout, before, name):
        rollout.say.note(f"{name} serves all traffic of {endpoint} already; nothing to do")
        return before
    begun = Entry(
        "promote", name, dict(before.traffic), {name: 100}, order.why, journal.by(rollout.target)
    )
    journal.begin(notes, endpoint, begun)
    try:
        steps.copies(rollout, order, before, 0)
        steps.run(rollout, order, before)
    except BaseException as failure:  # a gate, a cloud error or Ctrl-C: all goes back
        back = restore.put_traffic_back(rollout, before, order.deadline.again(), failure)
        journal.settle(notes, endpoint, Outcome.PUT_BACK if back else Outcome.FAILED, failure)
        raise
    _scale(rollout, order, before)
    steps.retire(rollout, order, before)
    experiment.end(notes, endpoint)
    journal.settle(notes, endpoint, Outcome.DONE)
    rollout.say.note(f"{name} serves all traffic of {endpoint}")
    return rollout.target.describe(endpoint)


def _is_promoted(rollout: Rollout, current: Endpoint, name: str) -> bool:
    """Tell whether a promotion was done, down to its last note."""
    entry = journal.last(rollout.target.notes, current.name, "promote")
    is_done = entry and entry.deployment == name and not entry.is_open
    return bool(is_done) and dict(current.traffic) == {name: 100}


def _scale(rollout: Rollout, order: ReleaseRequest, before: Endpoint) -> None:
    """Scale as the configuration wants it, if it does: SageMaker scales no shadow."""
    new = order.wanted
    if new.scaling and before.deployments[new.name].scaling != new.scaling:
        with rollout.say.step(f"scale {new.name}: {new.scaling}"):
            rollout.target.scale(new.endpoint, new.name, new.scaling)


def stop(
    rollout: Rollout, endpoint: str, name: str, deadline: Deadline, *, why: str = ""
) -> Endpoint:
    """Give the traffic of a deployment to the others, and undeploy it. Gone already is success.

    Raises
    ------
    ConfigError
        If no other deployment can serve.
    """
    current = wait.until_settled(rollout.target, endpoint, deadline)
    if name not in current.deployments:
        rollout.target.purge(endpoint)
        experiment.end(rollout.target.notes, endpoint)
        journal.finish(rollout.target.notes, current, "stop")
        rollout.say.note(f"{name} is gone from {endpoint} already; nothing to do")
        return current
    previous = history.previous(current, name)
    rest = strategies.without(current.traffic, name) or ({previous: 100} if previous else {})
    if not rest:
        raise ConfigError(f"{name} is alone at {endpoint}: `delete` removes the endpoint")
    entry = Entry("stop", name, dict(current.traffic), rest, why, journal.by(rollout.target))
    with journal.recorded(rollout.target.notes, endpoint, entry):
        with rollout.say.step(f"traffic: {history.traffic_text(rest)}"):
            endpoint_changes.shift(rollout.target, endpoint, rest, deadline)
        with rollout.say.step(f"undeploy {name}"):
            endpoint_changes.retire(rollout.target, endpoint, name, deadline)
        experiment.end(rollout.target.notes, endpoint)
    return rollout.target.describe(endpoint)
