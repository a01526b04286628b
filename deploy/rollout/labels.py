"""True labels that arrive later: a file, matched with the predictions."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tridock.deploy.target.errors import ConfigError
from tridock.deploy.target.metrics import Answer, label

#: The two forms of a line.
BY_REQUEST, DIRECT = ("request_id", "label"), ("deployment", "prediction", "label")


@dataclass(frozen=True)
class Labels:
    """True labels.

    Attributes
    ----------
    by_request : Mapping[str, str]
        Request id to label.
    direct : tuple
        Deployment, prediction and label, where they were matched before.
    """

    by_request: Mapping[str, str]
    direct: tuple[tuple[str, str, str], ...]

    def count(self, deployment: str, answers: Sequence[Answer]) -> tuple[int, int]:
        """Return how many predictions of a deployment were right, and how many labels it has."""
        pairs = [(said, true) for name, said, true in self.direct if name == deployment]
        for answer in answers:
            if answer.request in self.by_request and answer.predictions:
                pairs.append((_shown(answer.predictions), self.by_request[answer.request]))
        return sum(said == true for said, true in pairs), len(pairs)


def read(file: Path) -> Labels:
    """Read labels: a CSV with a header, or JSON lines, by the name's end.

    Each line has ``request_id`` and ``label``, or ``deployment``, ``prediction`` and ``label``.

    Raises
    ------
    ConfigError
        If it cannot be read; the message names the line.
    """
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the labels {file} cannot be read: {error}") from error
    lines = _json(file, text) if file.suffix != ".csv" else csv.DictReader(text.splitlines())
    by_request, direct = {}, []
    for number, line in enumerate(lines, 2 if file.suffix == ".csv" else 1):
        if all(line.get(name) is not None for name in BY_REQUEST):
            by_request[str(line["request_id"])] = _plain(line["label"])
        elif all(line.get(name) is not None for name in DIRECT):
            name, said, true = (line[key] for key in DIRECT)
            direct.append((str(name), _plain(said), _plain(true)))
        else:
            raise ConfigError(
                f"{file}, line {number}: {' and '.join(BY_REQUEST)} were expected, or "
                f"{', '.join(DIRECT)}; there is {', '.join(map(str, line)) or 'nothing'}"
            )
    return Labels(by_request, tuple(direct))


def _json(file: Path, text: str) -> Iterable[Mapping[str, Any]]:
    for number, line in enumerate(text.splitlines(), 1):
        try:
            values = json.loads(line)
        except ValueError as error:
            raise ConfigError(f"{file}, line {number} is not JSON: {error}") from error
        yield values if isinstance(values, dict) else {}


def _shown(predictions: Sequence[Any]) -> str:
    """Write an answer as labels do: one row's prediction, else the list of all."""
    return _plain(predictions[0] if len(predictions) == 1 else list(predictions))


def _plain(value: object) -> str:
    """Write a value so that 1, 1.0 and "1" are the same label."""
    text = label(value)
    try:
        return f"{float(text):g}"
    except ValueError:
        return text
