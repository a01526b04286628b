"""Alarms that go off by themselves: evaluated from the metrics, on the service's clock."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from moto.cloudwatch.models import Alarm, CloudWatchBackend, cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.sns.models import sns_backends

from tridock.emulators.aws.cloudwatch.alarm_data import Windows, points, seconds
from tridock.emulators.aws.cloudwatch.alarm_rule import Rule, State, judge
from tridock.emulators.aws.cloudwatch.alarm_text import composite, reason, reason_data
from tridock.emulators.aws.cloudwatch.metric_math import ExpressionError
from tridock.emulators.aws.dataplane.cloud import Cloud
from tridock.emulators.aws.protocol.errors import AwsError
from tridock.emulators.aws.protocol.patches import replace_methods

log = logging.getLogger(__name__)

#: Seconds of the service between two looks: shorter than the shortest period, 10 s.
LOOK = 6.0
#: And not more often than this, in real seconds, however fast the clock runs.
SHORTEST_LOOK = 0.05


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
    """Give a new alarm its first state, and an alarm that is put again the one it had."""

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
    """The thread that looks at every alarm of every account and region.

    Attributes
    ----------
    cloud : Cloud
        Whose clock and lock are used.
    """

    cloud: Cloud
    _seen: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """Look until the emulator ends."""
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
            states = {each.name: each.state_value for each in backend.alarms.values()}
            self._turn(backend, alarm, composite(alarm.rule, states), (alarm.rule, "{}"))
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
            found = points(alarm, list(backend.metric_data), windows)
        except ExpressionError as error:
            self._turn(backend, alarm, State.INSUFFICIENT, (str(error), "{}"))
            return
        state = judge(found, rule, State(alarm.state_value))
        words = reason(state, found, rule), reason_data(found, rule, _period(alarm))
        self._turn(backend, alarm, state, words)

    def _turn(
        self, backend: CloudWatchBackend, alarm: Alarm, state: State, words: tuple[str, str]
    ) -> None:
        """Change the alarm to `state`, if that is news, and tell its topics why."""
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
