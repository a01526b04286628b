"""Going back to the release before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tridock.deploy.rollout import endpoint_changes, experiment, history, journal
from tridock.deploy.rollout.journal import Entry
from tridock.deploy.rollout.request import Rollout
from tridock.deploy.target.errors import DeployError
from tridock.deploy.target.records import Endpoint, State
from tridock.deploy.waiting import wait
from tridock.deploy.waiting.wait import Deadline


def rollback(
    rollout: Rollout, endpoint: str, deadline: Deadline, *, to: str = "", why: str = ""
) -> Endpoint:
    """Move all traffic to what served before the last release, by the endpoint's history.

    A rollback that was cut short is finished, and one that is done is not done again. In the
    middle of a canary the old deployment is the one before. An experiment ends, and its old side
    serves. Where no history is kept, it is the newest ready deployment made before what serves.

    Parameters
    ----------
    to : str
        Another deployment to go to.
    why : str
        The reason, for the history.

    Raises
    ------
    DeployError
        If there is nothing to go back to.
    """
    with rollout.say.step(f"find endpoint {endpoint}") as step:
        current = wait.until_settled(rollout.target, endpoint, deadline)
        step.detail = history.traffic_text(current.traffic)
    trial = experiment.standing(rollout.target.notes, current)
    entries = journal.read(rollout.target.notes, endpoint)
    goal = to or (trial.old if trial else _goal(current, entries))
    _refuse_absent(current, goal)
    if not trial and dict(current.traffic) == {goal: 100}:
        journal.finish(rollout.target.notes, current, "rollback")
        rollout.say.note(_nothing_to_do(current, entries, goal))
        return current
    entry = Entry(
        "rollback", goal, dict(current.traffic), {goal: 100}, why, journal.by(rollout.target)
    )
    with journal.recorded(rollout.target.notes, endpoint, entry):
        if trial:
            rollout.say.note(f"this ends {trial}")
            endpoint_changes.copy(rollout.target, endpoint, trial.new, 0, deadline)
        with rollout.say.step(f"traffic: {goal} 100 %"):
            endpoint_changes.shift(rollout.target, endpoint, {goal: 100}, deadline)
        experiment.end(rollout.target.notes, endpoint)
    return rollout.target.describe(endpoint)


def _goal(current: Endpoint, entries: Sequence[Entry]) -> str:
    """Return who is to serve; empty if that cannot be known."""
    last = journal.last_move(entries, current.traffic)
    if last and last.verb == "rollback":
        return last.deployment
    if last and last.origin:
        return last.origin
    serving = history.newest_serving(current)
    older = history.before(current, serving.name) if serving else None
    return older.name if older else ""


def _refuse_absent(current: Endpoint, goal: str) -> None:
    one = current.deployments.get(goal)
    if one and one.state is State.READY:
        return
    others = set(current.deployments) - set(current.traffic)
    state = f"is {one.state.value}" if one else "is no deployment of it any more"
    why = f"{goal} {state}" if goal else "nothing else served before"
    raise DeployError(
        f"nothing to go back to at {current.name}: {why}. "
        f"`tridock rollback --to NAME`, or `traffic NAME=100`, moves traffic to one of "
        f"{', '.join(sorted(others)) or 'none'}"
    )


def _nothing_to_do(current: Endpoint, entries: Sequence[Entry], goal: str) -> str:
    last = journal.last_move(entries, current.traffic)
    if last and last.verb == "rollback" and last.deployment == goal:
        when = f"{datetime.fromisoformat(last.ended or last.began):%Y-%m-%d %H:%M:%S} UTC"
        said = f"already rolled back to {goal}, at {when} by {last.who}"
    elif last and last.is_open and last.origin == goal:
        said = f"the {last.verb} of {last.deployment} has no traffic: {goal} serves all of it"
    else:
        said = f"{goal} serves all traffic of {current.name} already"
    return f"{said}; nothing to do. `rollback --to NAME` goes to another one"
