"""A release, start to finish. Read `release` as the story."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tridock.deploy import strategies
from tridock.deploy.rollout import endpoint_changes, experiment, history, journal, restore, steps
from tridock.deploy.rollout.experiment import Experiment
from tridock.deploy.rollout.journal import Entry, Outcome
from tridock.deploy.rollout.promote import stop
from tridock.deploy.rollout.request import Order, Stage
from tridock.deploy.target.errors import ConflictError, DeploymentError, NotFoundError
from tridock.deploy.target.protocol import Endpoint, Release, State
from tridock.deploy.waiting import wait

if TYPE_CHECKING:
    from tridock.inference.bundle.bundle import Bundle


def release(stage: Stage, bundle: Bundle, order: Order) -> Endpoint:
    """Bring a bundle up beside what serves today, and move traffic to it by its strategy's steps.

    The cloud is the only memory: the same call again goes on where the last one was cut short,
    and does nothing where all is done. If anything fails, Ctrl-C included, traffic goes back,
    and what was begun is taken away.

    Returns
    -------
    Endpoint
        As it stands in the end.

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
    new, notes = order.wanted, stage.target.notes
    trial = _spoiled(stage, order)
    with stage.say.step(f"upload {bundle.name} {bundle.version}") as step:
        step.detail = artifact = stage.target.upload(bundle)
    if trial:
        _end(stage, order, trial)
    before = _find(stage, order)
    if before:
        _clear(stage, order, before)
    if before and _is_released(before, order):
        stage.target.deploy(replace(new, artifact=artifact))  # refused if it runs other settings
        stage.say.note(f"{new.name} serves {_share(before, new)} traffic of {new.endpoint} already")
        _scale(stage, order, before)
        journal.finish(notes, before, "release", "stop")
    else:
        # Again: what was removed since, as it had failed, may have taken this bundle along.
        artifact = stage.target.upload(bundle)
        journal.begin(notes, new.endpoint, _entry(stage, order, before))
        try:
            _bring_up(stage, order, replace(new, artifact=artifact), before)
            steps.run(stage, order, before)
        except BaseException as failure:  # a gate, a cloud error or Ctrl-C: all goes back
            back = restore.put_back(stage, order, before, failure)
            outcome = Outcome.PUT_BACK if back else Outcome.FAILED
            journal.settle(notes, new.endpoint, outcome, failure)
            raise
        journal.settle(notes, new.endpoint, Outcome.DONE)
    if before:
        steps.retire(stage, order, before)
    stage.target.purge(new.endpoint)
    return stage.target.describe(new.endpoint)


def _spoiled(stage: Stage, order: Order) -> Experiment | None:
    """Return the experiment that the release would spoil, and may.

    Raises
    ------
    ConfigError
        If it may not.
    """
    new = order.wanted
    trial = experiment.running(stage.target, new.endpoint)
    if order.end_experiment:  # a run before may have been killed while it did that
        experiment.forget_ended(stage.target, new.endpoint)
    if trial is None or not experiment.is_spoiled(trial, order):
        return None
    if not order.end_experiment:
        raise experiment.refused(trial, f"a release of {new.name}")
    return trial


def _end(stage: Stage, order: Order, trial: Experiment) -> None:
    """End an experiment: its new side is undeployed, unless that is what is released."""
    stage.say.note(f"this ends {trial}")
    if order.wanted.name == trial.new:
        endpoint_changes.copy(stage.target, trial.endpoint, trial.new, 0, order.deadline)
        experiment.end(stage.target.notes, trial.endpoint)
    else:
        stop(stage, trial.endpoint, trial.new, order.deadline, why=order.why)


def _entry(stage: Stage, order: Order, before: Endpoint | None) -> Entry:
    """Return what the history is to say of a release."""
    new, now = order.wanted.name, dict(before.traffic) if before else {}
    *_, last = strategies.moves(now, new, order.course)
    return Entry("release", new, now, last.split, order.why, journal.by(stage.target))


def _is_released(found: Endpoint, order: Order) -> bool:
    """Tell whether the last step is reached, and nothing stands that it was to be watched with."""
    name, last = order.wanted.name, order.course[-1]
    one = found.deployments.get(name)
    watched = last.bake and not order.keep_previous and set(found.deployments) != {name}
    if not one or one.state is not State.READY or (found.traffic == {name: 100} and watched):
        return False
    return found.traffic.get(name, 0) >= max(1, last.percent)


def _share(found: Endpoint, new: Release) -> str:
    share = found.traffic[new.name]
    return "all" if share == 100 else f"{share} % of the"


def _find(stage: Stage, order: Order) -> Endpoint | None:
    """Return the endpoint once it takes changes, or None; one that never came up is cleared."""
    endpoint = order.wanted.endpoint
    try:
        stage.target.describe(endpoint)
    except NotFoundError:
        return None
    with stage.say.step(f"find endpoint {endpoint}") as step:
        found = wait.until_settled(stage.target, endpoint, order.deadline)
        step.detail = history.traffic_text(found.traffic)
    if not history.is_dead(found):
        return found
    with stage.say.step(f"delete endpoint {endpoint}, which had failed: {found.reason}"):
        endpoint_changes.remove(stage.target, endpoint, order.deadline)
    return None


def _clear(stage: Stage, order: Order, before: Endpoint) -> None:
    """Take away what a run before left: a deployment that failed without traffic, and copies."""
    new = order.wanted
    found = before.deployments.get(new.name)
    if found and found.state is State.FAILED and not before.traffic.get(new.name):
        with stage.say.step(f"undeploy {new.name}, which had failed"):
            endpoint_changes.retire(stage.target, new.endpoint, new.name, order.deadline)
    for name in set(before.shadow) - {new.name}:
        with stage.say.step(f"end copies to {name}, which a run before left"):
            endpoint_changes.copy(stage.target, new.endpoint, name, 0, order.deadline)


def _bring_up(stage: Stage, order: Order, new: Release, before: Endpoint | None) -> None:
    """Deploy and wait until it is ready; one that failed while it served is started again."""
    found = before.deployments.get(new.name) if before else None
    broken = before is not None and history.is_broken(before, new.name)
    with stage.say.step(f"deploy {new.endpoint}/{new.name}") as step:
        stage.target.deploy(new)
        already = "it had failed, and is started again" if broken else "it was there already"
        step.detail = already if found else ""
    with stage.say.step(f"wait until {new.name} is ready"):
        try:
            ready = wait.until_ready(stage.target, new.endpoint, new.name, order.deadline)
        except DeploymentError as failure:
            raise _with_logs(stage, new, failure) from failure
    others = sorted(set(ready.deployments) - {new.name})
    if others and before is None:  # the cloud had shown nothing: who serves would lose all traffic
        raise ConflictError(f"{new.endpoint} has {', '.join(others)} after all: try again")
    _scale(stage, order, ready)


def _scale(stage: Stage, order: Order, found: Endpoint) -> None:
    """Let the number of instances be, or follow the load, as wanted; what is so is left."""
    new = order.wanted
    if found.deployments[new.name].scaling != new.scaling:
        with stage.say.step(f"scale {new.name}: {new.scaling or 'no more'}"):
            stage.target.scale(new.endpoint, new.name, new.scaling)
    if endpoint_changes.is_resized(stage.target, new, found):
        with stage.say.step(f"resize {new.name}: {new.count} instances") as step:
            step.detail = f"it had {found.deployments[new.name].count}"
            stage.target.resize(new.endpoint, new.name, new.count)
            wait.until_ready(stage.target, new.endpoint, new.name, order.deadline)


def _with_logs(stage: Stage, new: Release, failure: DeploymentError) -> DeploymentError:
    """Add the model server's last words, unless the cloud's reason ends with them already."""
    lines = stage.target.logs(new.endpoint, new.name, lines=12)
    if not lines or lines[-1] in str(failure):
        return failure
    return DeploymentError("\n".join([str(failure), "Last lines of its log:", *lines]))
