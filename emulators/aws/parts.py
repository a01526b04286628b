"""The parts that complete and repair moto, in the order they are put in."""

from __future__ import annotations

from emulators.aws.cloud import Installer

INSTALLERS: tuple[Installer, ...] = ()
