"""Request for a release, and the objects it works with."""

from __future__ import annotations

from dataclasses import dataclass, field

from tridock.deploy.progress import Progress
from tridock.deploy.rollout.judge import Judge
from tridock.deploy.strategies import Step
from tridock.deploy.target.protocol import Target
from tridock.deploy.target.records import Release
from tridock.deploy.waiting.wait import Deadline


@dataclass(frozen=True)
class ReleaseRequest:
    """Request for a release.

    Attributes
    ----------
    wanted : Release
        What to run; the upload fills in its artifact.
    steps : tuple of Step
        What its strategy comes to, step by step.
    keep_previous : bool
        Whether the deployment before stays, at 0 %, for a rollback.
    deadline : Deadline
        When to give up. Putting things back has as much time again.
    why : str
        The reason, for the history.
    end_experiment : bool
        Whether an experiment that runs is ended; else a release that would spoil it is refused.
    """

    wanted: Release
    steps: tuple[Step, ...]
    keep_previous: bool
    deadline: Deadline
    why: str = ""
    end_experiment: bool = False


@dataclass(frozen=True)
class Rollout:
    """Target, judge (None for none) and progress of a release."""

    target: Target
    judge: Judge | None = None
    say: Progress = field(default_factory=Progress)
