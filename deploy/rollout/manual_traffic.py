"""Traffic split by hand: `tridock traffic NAME=PERCENT …`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tridock.deploy.config import keys
from tridock.deploy.rollout import endpoint_changes, experiment, history, journal
from tridock.deploy.rollout.journal import Entry
from tridock.deploy.rollout.request import Rollout
from tridock.deploy.target.errors import ConfigError, NotFoundError
from tridock.deploy.waiting import wait
from tridock.deploy.waiting.wait import Deadline


@dataclass(frozen=True)
class TrafficSplit:
    """A split that is wanted.

    Attributes
    ----------
    split : Mapping of str to int
        Whole percent by deployment; sums to 100, without zeros.
    why : str
        The reason, for the history.
    end_experiment : bool
        Whether an experiment that it would spoil is ended.
    """

    split: Mapping[str, int]
    why: str = ""
    end_experiment: bool = False


def read(words: Sequence[str]) -> dict[str, int]:
    """Return the split that words such as ``v1=90`` ask for, without zeros.

    Raises
    ------
    ConfigError
        If a word is none, or they do not sum to 100.
    """
    split = {}
    for word in words:
        name, _, percent = word.partition("=")
        try:
            split[name] = keys.count(percent)
        except ValueError as error:
            raise ConfigError(f"{word}: NAME=PERCENT was expected, and {error}") from error
    if split and sum(split.values()) != 100:
        raise ConfigError(f"traffic {' '.join(words)} sums to {sum(split.values())}, and not 100")
    return {name: percent for name, percent in split.items() if percent}


def split(rollout: Rollout, endpoint: str, division: TrafficSplit, deadline: Deadline) -> None:
    """Split traffic, and record it.

    Raises
    ------
    ConfigError
        If a side of an experiment would begin or end to serve.
    """
    notes, wanted = rollout.target.notes, dict(division.split)
    current = wait.until_settled(rollout.target, endpoint, deadline)
    trial = experiment.standing(notes, current)
    if trial and set(wanted) == set(current.traffic):  # other shares of its sides: it goes on
        trial = None
    unknown = sorted(set(wanted) - set(current.deployments))
    if unknown:
        raise NotFoundError(
            f"{endpoint} has no deployment {', '.join(unknown)}: it has "
            f"{', '.join(sorted(current.deployments))}"
        )
    text = f"traffic: {history.traffic_text(wanted)}"
    if trial and not division.end_experiment:
        raise experiment.refused(trial, text)
    entry = Entry(
        "traffic", "", dict(current.traffic), wanted, division.why, journal.by(rollout.target)
    )
    with journal.recorded(notes, endpoint, entry):
        if trial:
            rollout.say.note(f"this ends {trial}")
            endpoint_changes.copy(rollout.target, endpoint, trial.new, 0, deadline)
        with rollout.say.step(text):
            endpoint_changes.shift(rollout.target, endpoint, wanted, deadline)
        if trial:
            experiment.end(notes, endpoint)
