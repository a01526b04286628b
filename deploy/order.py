"""What a release is asked to do, and where it plays."""

from __future__ import annotations

from dataclasses import dataclass, field

from deploy.judge import Judge
from deploy.progress import Progress
from deploy.target import Release, Target
from deploy.wait import Deadline


@dataclass(frozen=True)
class Order:
    """What a release is to do.

    Attributes
    ----------
    wanted : Release
        What to run; the upload fills in its artifact.
    steps : tuple of int
        Percent of traffic for it, step by step, ending with 100.
    keep_previous : bool
        Whether the deployment before stays, at 0 %, for a rollback.
    deadline : Deadline
        When to give up. Putting things back has as much time again.
    """

    wanted: Release
    steps: tuple[int, ...]
    keep_previous: bool
    deadline: Deadline


@dataclass(frozen=True)
class Stage:
    """Where a release plays: the target, its judge (None for none), and who tells of it."""

    target: Target
    judge: Judge | None = None
    say: Progress = field(default_factory=Progress)
