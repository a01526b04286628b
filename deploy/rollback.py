"""Going back to the release before."""

from __future__ import annotations

from deploy import change, history, wait
from deploy.errors import DeployError
from deploy.order import Stage
from deploy.target import Endpoint
from deploy.wait import Deadline


def rollback(stage: Stage, endpoint: str, deadline: Deadline) -> Endpoint:
    """Move all traffic to the newest ready deployment made before the one released last.

    Released last is the newest that has traffic: in the middle of a canary that is the new one,
    however little it has.

    Raises
    ------
    DeployError
        If there is nothing to go back to.
    """
    with stage.say.step(f"find endpoint {endpoint}") as step:
        found = wait.until_settled(stage.target, endpoint, deadline)
        step.detail = history.traffic_text(found.traffic)
    serving = history.newest_serving(found)
    to = history.before(found, serving.name) if serving else None
    if not to:
        raise DeployError(
            f"nothing to go back to: no ready deployment of {endpoint} is older than "
            f"{serving.name if serving else 'nothing'}. "
            f"`python -m deploy traffic NAME=100` moves traffic to one of "
            f"{', '.join(sorted(found.deployments)) or 'none'}"
        )
    with stage.say.step(f"traffic: {to.name} 100 %"):
        change.shift(stage.target, endpoint, {to.name: 100}, deadline)
    return stage.target.describe(endpoint)
