"""What an alarm says about its state, and the language of composite alarms."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence

from tridock.emulators.aws.cloudwatch.alarm_rule import Rule, State

_SIGNS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}

_STATE_OF = re.compile(r"\b(ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*[\"']?([^\"')]+?)[\"']?\s*\)")
_WORDS = {"AND": "and", "OR": "or", "NOT": "not", "TRUE": "True", "FALSE": "False"}


def reason(state: State, points: Sequence[float | None], rule: Rule) -> str:
    """Say why the alarm is in `state`, as CloudWatch words it."""
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
    """Return the same for machines, as JSON."""
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
