"""What is inside an image: its files, its Python distributions, its Debian packages."""

from __future__ import annotations

import subprocess
import tarfile

from inference.image.engine import EngineError, Image, docker


def paths(image: Image) -> list[str]:
    """Return the paths of all files, without the leading slash; nothing of the image is run.

    Raises
    ------
    EngineError
        If the engine does not give them.
    """
    made = docker("create", image.id, "-")
    try:
        with (
            subprocess.Popen(["docker", "export", made], stdout=subprocess.PIPE) as export,
            tarfile.open(fileobj=export.stdout, mode="r|") as files,
        ):
            found = [each.name for each in files if not each.isdir()]
        if export.returncode:
            raise EngineError(f"docker export {image.name}: exit code {export.returncode}")
        return found
    finally:
        docker("rm", "--force", made)
