"""What runs the model servers of an emulated cloud, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tridock.emulators.docker import DockerRunner
from tridock.emulators.fleet import ProcessRunner, Runner
from tridock.emulators.place import Place

RUNNERS: Mapping[str, Callable[[Place], Runner]] = {
    "docker": lambda place: DockerRunner(place.folder),
    "process": lambda place: ProcessRunner(),
}


def runner(place: Place) -> Runner:
    """Return the one that `place` names."""
    return RUNNERS[place.runner](place)
