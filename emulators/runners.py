"""What runs the model servers of an emulated cloud, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from emulators.docker import DockerRunner
from emulators.fleet import ProcessRunner, Runner
from emulators.place import Place

RUNNERS: Mapping[str, Callable[[Place], Runner]] = {
    "docker": lambda place: DockerRunner(place.folder),
    "process": lambda place: ProcessRunner(),
}


def runner(place: Place) -> Runner:
    """Return the one that `place` names."""
    return RUNNERS[place.runner](place)
