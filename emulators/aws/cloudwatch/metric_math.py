"""Metric math as alarms use it: arithmetic over data points, period by period.

Source: Amazon CloudWatch User Guide, "Using math expressions with CloudWatch metrics".
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence

Series = Sequence[float | None]

_BINARY: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARE: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_OVER: Mapping[str, Callable[[Sequence[float]], float]] = {
    "SUM": sum,
    "MAX": max,
    "MIN": min,
    "AVG": lambda values: sum(values) / len(values),
}


class ExpressionError(ValueError):
    """An expression that is not understood; the message names the part."""


def evaluate(expression: str, series: Mapping[str, Series]) -> list[float | None]:
    """Return the expression's value in each period; None where a needed data point is missing.

    Understood are numbers, ids, ``+ - * / ^``, comparisons, ``&& ||``, ``FILL``, ``IF``, and
    ``SUM MAX MIN AVG`` over a list such as ``SUM([m1, m2])``.

    Parameters
    ----------
    expression : str
        e.g. ``"100 * errors / calls"``.
    series : Mapping[str, Series]
        Data points by id, all of one length.

    Raises
    ------
    ExpressionError
        If it has anything else.
    """
    text = expression.replace("&&", " and ").replace("||", " or ").replace("^", "**")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(f"metric math {expression!r}: {error.msg}") from error
    length = max((len(points) for points in series.values()), default=0)
    return [_at(tree, {name: points[i] for name, points in series.items()}) for i in range(length)]


def _at(node: ast.expr, values: Mapping[str, float | None]) -> float | None:
    """Return the value of `node` in one period."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _apply(operator.neg, _at(operand, values))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
            return _apply(_BINARY[type(sign)], _at(left, values), _at(right, values))
        case ast.Compare(left=left, ops=[sign], comparators=[right]):
            return _apply(_COMPARE[type(sign)], _at(left, values), _at(right, values))
        case ast.BoolOp(op=sign, values=parts):
            wanted = all if isinstance(sign, ast.And) else any
            return _apply(lambda *them: wanted(them), *(_at(part, values) for part in parts))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _call(name, arguments, values)
    raise ExpressionError(f"metric math: {ast.unparse(node)!r} is not emulated")


def _call(name: str, arguments: list[ast.expr], values: Mapping[str, float | None]) -> float | None:
    match name, arguments:
        case "FILL", [series, other]:
            value = _at(series, values)
            return _at(other, values) if value is None else value
        case "IF", [condition, then, *other]:
            if _at(condition, values):
                return _at(then, values)
            return _at(other[0], values) if other else None
        case _, [ast.List(elts=parts)] if name in _OVER:
            present = [value for part in parts if (value := _at(part, values)) is not None]
            return _OVER[name](present) if present else None
    raise ExpressionError(f"metric math: {name}() is not emulated with these arguments")


def _apply(function: Callable[..., float | bool], *values: float | None) -> float | None:
    if any(value is None for value in values):
        return None
    try:
        return float(function(*values))
    except (ZeroDivisionError, OverflowError, TypeError):
        return None
