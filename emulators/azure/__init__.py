"""The emulated Azure: Entra, Resource Manager, Azure ML, Blob storage."""

from __future__ import annotations

from tridock.emulators.place import Place, Ready


def serve(place: Place, ready: Ready) -> None:
    """Be the emulated Azure until SIGTERM or SIGINT.

    Parameters
    ----------
    place : Place
        Folder and settings.
    ready : Ready
        Called with the environment that leads clients here, once it answers.
    """
    from tridock.emulators.azure.service import service

    service.serve(place, ready)
