"""A release, start to finish. Read `release` as the story."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tridock.deploy import strategies
from tridock.deploy.rollout import endpoint_changes, experiment, history, journal, restore, steps
from tridock.deploy.rollout.experiment import Experiment
from tridock.deploy.rollout.journal import Entry, Outcome
from tridock.deploy.rollout.promote import stop
from tridock.deploy.rollout.request import ReleaseRequest, Rollout
from tridock.deploy.target.errors import ConflictError, DeploymentError, NotFoundError
from tridock.deploy.target.records import Endpoint, Release, State
from tridock.deploy.waiting import wait

if TYPE_CHECKING:
    from tridock.inference.bundle.bundle import Bundle


def release(rollout: Rollout, bundle: Bundle, order: ReleaseRequest) -> Endpoint:
    """Bring a bundle up beside what serves today, and move traffic to it by its strategy's steps.

    The cloud is the only memory: the same call again goes on where the last one was cut short,
    and does nothing where all is done. If anything fails, Ctrl-C included, traffic goes back,
    and what was begun is taken away.

    Returns
    -------
    Endpoint
        Its final state.

    Raises
    ------
    GateError
        If a gate said no, at the step the message names.
    DeploymentError
        If the deployment did not come up.
    DeadlineError, TargetError
        If the cloud took too long, or refused.
    ConfigError
        If it would spoil an experiment.
    """
    new, notes = order.wanted, rollout.target.notes
    trial = _spoiled(rollout, order)
    with rollout.say.step(f"upload {bundle.name} {bundle.version}") as step:
        step.detail = artifact = rollout.target.upload(bundle)
    if trial:
        _end(rollout, order, trial)
    before = _find(rollout, order)
    if before:
        _clear(rollout, order, before)
    if before and _is_released(before, order):
        rollout.target.deploy(replace(new, artifact=artifact))  # refused if it runs other settings
        rollout.say.note(
            f"{new.name} serves {_share(before, new)} traffic of {new.endpoint} already"
        )
        _scale(rollout, order, before)
        journal.finish(notes, before, "release", "stop")
    else:
        # Again: what was removed since, as it had failed, may have taken this bundle along.
        artifact = rollout.target.upload(bundle)
        journal.begin(notes, new.endpoint, _entry(rollout, order, before))
        try:
            _bring_up(rollout, order, replace(new, artifact=artifact), before)
            steps.run(rollout, order, before)
        except BaseException as failure:  # a gate, a cloud error or Ctrl-C: all goes back
            back = restore.put_back(rollout, order, before, failure)
            outcome = Outcome.PUT_BACK if back else Outcome.FAILED
            journal.settle(notes, new.endpoint, outcome, failure)
            raise
        journal.settle(notes, new.endpoint, Outcome.DONE)
    if before:
        steps.retire(rollout, order, before)
    rollout.target.purge(new.endpoint)
    return rollout.target.describe(new.endpoint)


def _spoiled(rollout: Rollout, order: ReleaseRequest) -> Experiment | None:
    """Return the experiment that the release would spoil, and may.

    Raises
    ------
    ConfigError
        If it may not.
    """
    new = order.wanted
    trial = experiment.running(rollout.target, new.endpoint)
    if order.end_experiment:  # a run before may have been killed while it did that
        experiment.forget_ended(rollout.target, new.endpoint)
    if trial is None or not experiment.is_spoiled(trial, order):
        return None
    if not order.end_experiment:
        raise experiment.refused(trial, f"a release of {new.name}")
    return trial


def _end(rollout: Rollout, order: ReleaseRequest, trial: Experiment) -> None:
    """End an experiment: its new side is undeployed, unless that is what is released."""
    rollout.say.note(f"this ends {trial}")
    if order.wanted.name == trial.new:
        endpoint_changes.copy(rollout.target, trial.endpoint, trial.new, 0, order.deadline)
        experiment.end(rollout.target.notes, trial.endpoint)
    else:
        stop(rollout, trial.endpoint, trial.new, order.deadline, why=order.why)


def _entry(rollout: Rollout, order: ReleaseRequest, before: Endpoint | None) -> Entry:
    """Return what the history is to say of a release."""
    new, now = order.wanted.name, dict(before.traffic) if before else {}
    *_, last = strategies.moves(now, new, order.steps)
    return Entry("release", new, now, last.split, order.why, journal.by(rollout.target))


def _is_released(current: Endpoint, order: ReleaseRequest) -> bool:
    """Tell whether the last step is reached, and no deployment is left to watch it with."""
    name, last = order.wanted.name, order.steps[-1]
    one = current.deployments.get(name)
    watched = last.bake and not order.keep_previous and set(current.deployments) != {name}
    if not one or one.state is not State.READY or (current.traffic == {name: 100} and watched):
        return False
    return current.traffic.get(name, 0) >= max(1, last.percent)


def _share(current: Endpoint, new: Release) -> str:
    share = current.traffic[new.name]
    return "all" if share == 100 else f"{share} % of the"


def _find(rollout: Rollout, order: ReleaseRequest) -> Endpoint | None:
    """Return the endpoint once it takes changes, or None; one that never came up is cleared."""
    endpoint = order.wanted.endpoint
    try:
        current = rollout.target.describe(endpoint)
    except NotFoundError:
        return None
    with rollout.say.step(f"find endpoint {endpoint}") as step:
        current = wait.until_settled(rollout.target, endpoint, order.deadline, current)
        step.detail = history.traffic_text(current.traffic)
    if not history.is_dead(current):
        return current
    with rollout.say.step(f"delete endpoint {endpoint}, which had failed: {current.reason}"):
        endpoint_changes.remove(rollout.target, endpoint, order.deadline)
    return None


def _clear(rollout: Rollout, order: ReleaseRequest, before: Endpoint) -> None:
    """Take away what a run before left: a deployment that failed without traffic, and copies."""
    new = order.wanted
    deployment = before.deployments.get(new.name)
    if deployment and deployment.state is State.FAILED and not before.traffic.get(new.name):
        with rollout.say.step(f"undeploy {new.name}, which had failed"):
            endpoint_changes.retire(rollout.target, new.endpoint, new.name, order.deadline)
    for name in set(before.shadow) - {new.name}:
        with rollout.say.step(f"end copies to {name}, which a run before left"):
            endpoint_changes.copy(rollout.target, new.endpoint, name, 0, order.deadline)


def _bring_up(
    rollout: Rollout, order: ReleaseRequest, new: Release, before: Endpoint | None
) -> None:
    """Deploy and wait until it is ready; one that failed while it served is started again."""
    standing = before.deployments.get(new.name) if before else None
    broken = before is not None and history.is_broken(before, new.name)
    with rollout.say.step(f"deploy {new.endpoint}/{new.name}") as step:
        rollout.target.deploy(new)
        already = "it had failed, and is started again" if broken else "it was there already"
        step.detail = already if standing else ""
    with rollout.say.step(f"wait until {new.name} is ready"):
        try:
            ready = wait.until_ready(rollout.target, new.endpoint, new.name, order.deadline)
        except DeploymentError as failure:
            raise _with_logs(rollout, new, failure) from failure
    others = sorted(set(ready.deployments) - {new.name})
    if others and before is None:  # the cloud had shown nothing: who serves would lose all traffic
        raise ConflictError(f"{new.endpoint} has {', '.join(others)} after all: try again")
    _scale(rollout, order, ready)


def _scale(rollout: Rollout, order: ReleaseRequest, current: Endpoint) -> None:
    """Let the number of instances be, or follow the load, as wanted; what is so is left."""
    new = order.wanted
    if current.deployments[new.name].scaling != new.scaling:
        with rollout.say.step(f"scale {new.name}: {new.scaling or 'no more'}"):
            rollout.target.scale(new.endpoint, new.name, new.scaling)
    if endpoint_changes.is_resized(rollout.target, new, current):
        with rollout.say.step(f"resize {new.name}: {new.count} instances") as step:
            step.detail = f"it had {current.deployments[new.name].count}"
            rollout.target.resize(new.endpoint, new.name, new.count)
            wait.until_ready(rollout.target, new.endpoint, new.name, order.deadline)


def _with_logs(rollout: Rollout, new: Release, failure: DeploymentError) -> DeploymentError:
    """Add the model server's last words, unless the cloud's reason ends with them already."""
    lines = rollout.target.logs(new.endpoint, new.name, lines=12)
    if not lines or lines[-1] in str(failure):
        return failure
    return DeploymentError("\n".join([str(failure), "Last lines of its log:", *lines]))
