"""Alarms: their evaluation from the metrics on the service's clock, and their reasons."""

from __future__ import annotations

import ast
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from moto.cloudwatch.models import Alarm, CloudWatchBackend, cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.sns.models import sns_backends

from tridock.emulators.aws.cloudwatch.alarm_rule import Rule, State, judge
from tridock.emulators.aws.cloudwatch.metric_data import Windows, points, seconds
from tridock.emulators.aws.cloudwatch.metric_math import ExpressionError
from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.protocol.calls import replace_methods
from tridock.emulators.aws.protocol.errors import AwsError

log = logging.getLogger(__name__)

#: Seconds of the service between two looks: shorter than the shortest period, 10 s.
LOOK = 6.0
#: And not more often than this, in real seconds, however fast the clock runs.
SHORTEST_LOOK = 0.05

_SIGNS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}
_STATE_OF = re.compile(r"\b(ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*[\"']?([^\"')]+?)[\"']?\s*\)")
_WORDS = {"AND": "and", "OR": "or", "NOT": "not", "TRUE": "True", "FALSE": "False"}


def install(cloud: Cloud) -> None:
    """Begin alarms in INSUFFICIENT_DATA, and evaluate them while the emulator runs."""
    keeping = _keeping_state(CloudWatchBackend.put_metric_alarm)
    replace_methods(CloudWatchBackend, {"put_metric_alarm": keeping})
    replace_methods(CloudWatchResponse, {"put_composite_alarm": _put_composite})
    watch = Watch(cloud)
    cloud.on_start.append(lambda: threading.Thread(target=watch.run, daemon=True).start())


def _put_composite(self: CloudWatchResponse) -> ActionResult:
    """Answer PutCompositeAlarm, whose alarm moto stores and describes but has no call for."""
    try:
        composite(self._get_param("AlarmRule"), {})
    except (SyntaxError, ValueError) as error:
        raise AwsError("ValidationError", f"Invalid AlarmRule: {error}", status=400) from error
    return self.put_metric_alarm()


def _keeping_state(put: Callable[..., Alarm]) -> Callable[..., Alarm]:
    """Give a new alarm its first state; a replaced alarm keeps its state."""

    def put_metric_alarm(self: CloudWatchBackend, name: str, **settings: Any) -> Alarm:
        before = self.alarms.get(name)
        alarm = put(self, name=name, **settings)
        alarm.state_value = State.INSUFFICIENT.value
        for attribute in ("state_value", "state_reason", "state_updated_timestamp", "history"):
            if before:
                setattr(alarm, attribute, getattr(before, attribute))
        return alarm

    return put_metric_alarm


@dataclass(frozen=True)
class Watch:
    """The thread that evaluates every alarm of every account and region.

    Attributes
    ----------
    cloud : Cloud
        Whose clock and lock are used.
    """

    cloud: Cloud
    _seen: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """Evaluate alarms until the emulator ends."""
        clock = self.cloud.clock
        while clock.sleep(max(LOOK, SHORTEST_LOOK * clock.speed)):
            self.look(time.time())

    def look(self, now: float) -> None:
        """Evaluate every alarm whose newest period is complete.

        Parameters
        ----------
        now : float
            Real time, seconds since 1970.
        """
        for backend in _backends():
            for alarm in list(backend.alarms.values()):
                try:
                    self._evaluate(backend, alarm, now)
                except Exception:  # one alarm that cannot be evaluated must not stop the others
                    log.exception("alarm %s", alarm.name)

    def _evaluate(self, backend: CloudWatchBackend, alarm: Alarm, now: float) -> None:
        if alarm.rule:
            states = {other.name: other.state_value for other in backend.alarms.values()}
            self._set_state(backend, alarm, composite(alarm.rule, states), (alarm.rule, "{}"))
            return
        length = self.cloud.clock.real(_period(alarm))
        windows = Windows.until(now, length, _rule(alarm).points)
        # A state set by hand stays until a whole period has passed: "this temporary state change
        # lasts only until the next alarm comparison occurs" (user guide, "Common features").
        fresh = seconds(alarm.state_updated_timestamp) + length > now
        if not fresh and self._seen.get(alarm.alarm_arn) != windows.end:
            self._seen[alarm.alarm_arn] = windows.end
            self._judge(backend, alarm, windows)

    def _judge(self, backend: CloudWatchBackend, alarm: Alarm, windows: Windows) -> None:
        rule = _rule(alarm)
        try:
            series = points(alarm, list(backend.metric_data), windows)
        except ExpressionError as error:
            self._set_state(backend, alarm, State.INSUFFICIENT, (str(error), "{}"))
            return
        state = judge(series, rule, State(alarm.state_value))
        words = reason(state, series, rule), reason_data(series, rule, _period(alarm))
        self._set_state(backend, alarm, state, words)

    def _set_state(
        self, backend: CloudWatchBackend, alarm: Alarm, state: State, words: tuple[str, str]
    ) -> None:
        """Change the alarm to `state`, if it is another one, and notify its topics."""
        before = alarm.state_value
        if state.value == before or backend.alarms.get(alarm.name) is not alarm:
            return
        with self.cloud.lock:
            alarm.update_state(*words, state.value)
        log.info("alarm %s: %s -> %s. %s", alarm.name, before, state.value, words[0])
        notify(backend, alarm, before)


def notify(backend: CloudWatchBackend, alarm: Alarm, before: str) -> None:
    """Publish a change of state to the topics among the alarm's actions."""
    actions = {
        State.OK: alarm.ok_actions,
        State.ALARM: alarm.alarm_actions,
        State.INSUFFICIENT: alarm.insufficient_data_actions,
    }[State(alarm.state_value)]
    message = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": backend.account_id,
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": before,
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": utcnow().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
        "Region": backend.region_name,
    }
    topics = sns_backends[backend.account_id][backend.region_name]
    for arn in actions if alarm.actions_enabled else ():
        if arn in topics.topics:  # CloudWatch does not test actions: a missing topic is no error
            subject = f'{alarm.state_value}: "{alarm.name}" in {backend.region_name}'
            topics.publish(json.dumps(message), arn, subject=subject[:99])


def _backends() -> Iterator[CloudWatchBackend]:
    for regions in list(cloudwatch_backends.values()):
        yield from list(regions.values())


def _rule(alarm: Alarm) -> Rule:
    return Rule(
        alarm.comparison_operator,
        float(alarm.threshold),
        int(alarm.evaluation_periods),
        int(alarm.datapoints_to_alarm or alarm.evaluation_periods),
        alarm.treat_missing_data or "missing",
    )


def _period(alarm: Alarm) -> float:
    """Return the period in seconds of the service."""
    if alarm.period:
        return float(alarm.period)
    queries = alarm.metric_data_queries
    periods = [q.metric_stat.period if q.metric_stat else q.period for q in queries]
    return float(next((period for period in periods if period), 60))


def reason(state: State, points: Sequence[float | None], rule: Rule) -> str:
    """Return the reason of `state` in CloudWatch's words."""
    present = [point for point in points if point is not None][-rule.periods :]
    if state is State.INSUFFICIENT:
        return f"Insufficient Data: {rule.periods} datapoint{_s(rule.periods)} were unknown."
    if not present:
        return f"Threshold Crossed: no datapoints were received for {rule.periods} period" + (
            f"{_s(rule.periods)} and {rule.periods} missing datapoint{_s(rule.periods)} were "
            f"treated as [{'Breaching' if state is State.ALARM else 'NonBreaching'}]."
        )
    right = [p for p in present if rule.breaches(p) == (state is State.ALARM)] or present
    values = ", ".join(str(point) for point in right)
    verb = ("was" if len(right) == 1 else "were") + ("" if state is State.ALARM else " not")
    needed = f"minimum {rule.datapoints} datapoint{_s(rule.datapoints)}"
    change = "OK -> ALARM" if state is State.ALARM else "ALARM -> OK"
    return (
        f"Threshold Crossed: {len(right)} out of the last {rule.periods} datapoints [{values}] "
        f"{verb} {_SIGNS[rule.comparison]} the threshold ({rule.threshold}) "
        f"({needed} for {change} transition)."
    )


def reason_data(points: Sequence[float | None], rule: Rule, period: float) -> str:
    """Return the reason of a state as JSON."""
    recent = [point for point in points if point is not None][-rule.periods :]
    data = {"version": "1.0", "period": period, "recentDatapoints": recent}
    return json.dumps(data | {"threshold": rule.threshold})


def composite(rule: str, states: Mapping[str, str]) -> State:
    """Return the state of a composite alarm.

    Parameters
    ----------
    rule : str
        e.g. ``'ALARM("errors") AND NOT OK(latency)'``.
    states : Mapping[str, str]
        The other alarms' states by name.

    Raises
    ------
    ValueError
        If the rule is not of that language.
    """

    def holds(match: re.Match[str]) -> str:
        return str(states.get(match[2].rsplit(":", 1)[-1]) == match[1])

    text = _STATE_OF.sub(holds, rule)
    text = re.sub(r"\b(AND|OR|NOT|TRUE|FALSE)\b", lambda match: _WORDS[match[1]], text)
    return State.ALARM if _true(ast.parse(text.strip(), mode="eval").body) else State.OK


def _true(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=bool() as value):
            return value
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _true(operand)
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_true(part) for part in parts)
        case ast.BoolOp(op=ast.Or(), values=parts):
            return any(_true(part) for part in parts)
    raise ValueError(f"an alarm rule cannot say {ast.unparse(node)!r}")


def _s(count: int) -> str:
    return "" if count == 1 else "s"
