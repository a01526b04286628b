"""The end of an experiment: all traffic to the new deployment, or back as if it had never been."""

from __future__ import annotations

from deploy import change, course, experiment, history, recovery, rollout, wait
from deploy.errors import ConfigError
from deploy.order import Order, Stage
from deploy.target import Endpoint
from deploy.wait import Deadline


def promote(stage: Stage, order: Order) -> Endpoint:
    """Move all traffic to a deployment that stands already, judged; on any failure it goes back.

    Raises
    ------
    GateError
        If a gate said no: traffic is as it was, and nothing is taken away.
    DeadlineError, TargetError
        If the cloud took too long, or refused.
    """
    name, endpoint = order.wanted.name, order.wanted.endpoint
    before = wait.until_settled(stage.target, endpoint, order.deadline)
    try:
        course.copies(stage, order, 0)
        course.run(stage, order, before)
    except BaseException as failure:  # a gate, a cloud error or Ctrl-C: all goes back
        recovery.put_traffic_back(stage, before, order.deadline.again(), failure)
        raise
    _scale(stage, order, before)
    experiment.end(stage.target.notes, endpoint)
    course.retire(stage, order, before)
    stage.say.note(f"{name} serves all traffic of {endpoint}")
    return stage.target.describe(endpoint)


def _scale(stage: Stage, order: Order, before: Endpoint) -> None:
    """Scale as the configuration wants it, if it does: SageMaker scales no shadow."""
    new = order.wanted
    if new.scaling and before.deployments[new.name].scaling != new.scaling:
        with stage.say.step(f"scale {new.name}: {new.scaling}"):
            stage.target.scale(new.endpoint, new.name, new.scaling)


def stop(stage: Stage, endpoint: str, name: str, deadline: Deadline) -> Endpoint:
    """Give the traffic of a deployment to the others, and undeploy it. Gone already is success.

    Raises
    ------
    ConfigError
        If nobody else is there to serve.
    """
    found = wait.until_settled(stage.target, endpoint, deadline)
    if name in found.deployments:
        previous = history.previous(found, name)
        rest = rollout.without(found.traffic, name) or ({previous: 100} if previous else {})
        if not rest:
            raise ConfigError(f"{name} is alone at {endpoint}: `delete` removes the endpoint")
        with stage.say.step(f"traffic: {history.traffic_text(rest)}"):
            change.shift(stage.target, endpoint, rest, deadline)
        with stage.say.step(f"undeploy {name}"):
            change.retire(stage.target, endpoint, name, deadline)
    experiment.end(stage.target.notes, endpoint)
    return stage.target.describe(endpoint)
