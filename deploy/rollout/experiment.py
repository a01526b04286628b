"""Two deployments that share an endpoint for a while to be compared, remembered by a note."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from tridock.deploy.rollout import history
from tridock.deploy.rollout.request import ReleaseRequest
from tridock.deploy.target.errors import ConfigError, ConflictError, NotFoundError
from tridock.deploy.target.notes import Notes
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import Endpoint

#: Where experiments stand among the notes.
FOLDER = "experiments"


@dataclass(frozen=True)
class Experiment:
    """Two deployments that are compared, and the start of the comparison.

    Attributes
    ----------
    new, old : str
        Deployments of the endpoint.
    began : str
        UTC time, ISO 8601.
    judged : str
        UTC time after the last request of the release's judge, which no cloud can tell from a live
        one; empty if it sent none.
    """

    endpoint: str
    new: str
    old: str
    began: str
    judged: str = ""

    def __str__(self) -> str:
        return f"the experiment of {self.new} against {self.old} at {self.endpoint}"

    @property
    def since(self) -> datetime:
        """From when on requests are those of live clients."""
        return datetime.fromisoformat(self.judged or self.began)


def begin(notes: Notes, endpoint: str, *, new: str, old: str) -> Experiment:
    """Remember that an experiment begins now; one of the same two goes on."""
    standing = notes.read(_key(endpoint))
    if standing:
        remembered = _read(standing.body)
        if remembered and (remembered.new, remembered.old) == (new, old):
            return remembered
    begun = Experiment(endpoint, new, old, datetime.now(UTC).isoformat())
    notes.write(_key(endpoint), json.dumps(asdict(begun)).encode(), over=standing)
    return begun


def judged(notes: Notes, endpoint: str) -> None:
    """Note that the judge has sent its last request to the new one."""
    note = notes.read(_key(endpoint))
    remembered = _read(note.body) if note else None
    if remembered:
        now = replace(remembered, judged=datetime.now(UTC).isoformat())
        notes.write(_key(endpoint), json.dumps(asdict(now)).encode(), over=note)


def find(notes: Notes, endpoint: Endpoint, name: str | None = None) -> Experiment:
    """Return the experiment at an endpoint.

    Parameters
    ----------
    name : str, optional
        The new deployment, where no experiment is recorded: since it was made, against what
        serves most beside it.

    Raises
    ------
    ConfigError
        If there is none.
    """
    remembered = standing(notes, endpoint)
    if remembered and name in (None, remembered.new):
        return remembered
    one = endpoint.deployments.get(name or "")
    others = {other: share for other, share in endpoint.traffic.items() if other != name}
    if not one or not others or not one.created:
        raise ConfigError(
            f'no experiment at {endpoint.name}: begin one by a release with strategy = "ab" or '
            f'"shadow", or name the new one of two with --deployment: '
            f"{', '.join(sorted(endpoint.deployments))}"
        )
    most = history.leading(others)
    return Experiment(endpoint.name, one.name, most, one.created.isoformat())


def standing(notes: Notes, endpoint: Endpoint) -> Experiment | None:
    """Return the experiment that is remembered, if both of its deployments are there."""
    note = notes.read(_key(endpoint.name))
    remembered = _read(note.body) if note else None
    return (
        remembered
        if remembered and {remembered.new, remembered.old} <= set(endpoint.deployments)
        else None
    )


def running(target: Target, endpoint: str) -> Experiment | None:
    """Return the experiment at an endpoint, None if there is none.

    The endpoint is looked at only where one is remembered.
    """
    if target.notes.read(_key(endpoint)) is None:
        return None
    with suppress(NotFoundError):
        return standing(target.notes, target.describe(endpoint))
    return None


def is_spoiled(trial: Experiment, order: ReleaseRequest) -> bool:
    """Tell whether a release does anything else than to go on with an experiment."""
    return order.wanted.name != trial.new or not order.steps[-1].held


def refused(trial: Experiment, what: str, *, ending: bool = True) -> ConfigError:
    """Return the refusal of a change that would spoil an experiment.

    Parameters
    ----------
    what : str
        The change, e.g. ``"release of v2-0011aabb"``.
    ending : bool
        Whether the command knows ``--end-experiment``.
    """
    flag = ", or use --end-experiment" if ending else ""
    return ConfigError(
        f"{trial} runs since {trial.since:%Y-%m-%d %H:%M} UTC, and {what} would spoil it. "
        f"End it first: `promote` gives {trial.new} all traffic, `stop` takes it away{flag}"
    )


def stands(target: Target, endpoint: str) -> bool:
    """Tell whether both deployments of the experiment that is remembered are there.

    So does a note that is none of this version: it is not ours to judge.
    """
    note = target.notes.read(_key(endpoint))
    if note is None:
        return False
    remembered = _read(note.body)
    with suppress(NotFoundError):
        return not remembered or {remembered.new, remembered.old} <= set(
            target.describe(endpoint).deployments
        )
    return False


def forget_ended(target: Target, endpoint: str) -> None:
    """Forget an experiment of which a side is gone; one that runs goes on."""
    if not stands(target, endpoint):
        end(target.notes, endpoint)


def end(notes: Notes, endpoint: str) -> None:
    """Forget the experiment at an endpoint. None is success."""
    standing = notes.read(_key(endpoint))
    if standing:
        with suppress(ConflictError):  # another begins: it is not ours to forget
            notes.remove(_key(endpoint), over=standing)


def _key(endpoint: str) -> str:
    return f"{FOLDER}/{endpoint}.json"


def _read(body: bytes) -> Experiment | None:
    with suppress(ValueError, TypeError):
        return Experiment(**json.loads(body))
    return None
