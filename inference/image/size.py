"""Size of an image as a registry keeps it: each layer compressed."""

from __future__ import annotations

import json
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from tridock.inference.image.engine import AbsentImageError, EngineError, Image, inspect

#: OCI image specification, «Annotations»: the image this one was made from.
BASE = "org.opencontainers.image.base.name"
#: Docker's own level when it pushes, Go's default.
LEVEL = 6
#: gzip with its header (zlib manual, «deflateInit2»).
GZIP = 31
#: First bytes of what is compressed already: gzip, zstd. The containerd store keeps layers so.
COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
PIECE = 1 << 20


@dataclass(frozen=True)
class Size:
    """Bytes of an image without its base.

    Attributes
    ----------
    base : str
        Name of the base; empty if it is not known here, and then nothing is taken off.
    bytes : int
        Not compressed.
    compressed : int
        As a registry keeps it.
    """

    base: str
    bytes: int
    compressed: int

    def __str__(self) -> str:
        over = f" over {self.base}" if self.base else " with its base, which is not known here"
        return (
            f"{self.compressed / 1e6:.1f} MB compressed, {self.bytes / 1e6:.0f} MB unpacked{over}"
        )


def measure(image: Image) -> Size:
    """Weigh the layers that `image` has beyond its base.

    Raises
    ------
    EngineError
        If the engine cannot give the image away.
    """
    name, below = _base(image)
    with tempfile.TemporaryFile() as file:
        try:
            subprocess.run(["docker", "save", image.id], stdout=file, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise EngineError(f"docker save {image.name}: {error}") from error
        file.seek(0)
        weighed = _layers(file, below)
    return Size(name, sum(raw for raw, _ in weighed), sum(small for _, small in weighed))


def _base(image: Image) -> tuple[str, int]:
    """Return the base's name and how many of the layers are its."""
    name = image.labels.get(BASE, "")
    try:
        layers = inspect(name).layers if name else ()
    except AbsentImageError:
        layers = ()
    is_below = bool(layers) and image.layers[: len(layers)] == layers
    return (name, len(layers)) if is_below else ("", 0)


def _layers(file: IO[bytes], below: int) -> Sequence[tuple[int, int]]:
    """Return the bytes of each layer above the first `below`: as they are, and compressed."""
    with tarfile.open(fileobj=file) as saved:
        names = json.load(_member(saved, "manifest.json"))[0]["Layers"][below:]
        return [_weigh(_member(saved, name)) for name in names]


def _member(saved: tarfile.TarFile, name: str) -> IO[bytes]:
    member = saved.extractfile(name)
    if member is None:
        raise EngineError(f"docker save wrote a {name} that is no file")
    return member


def _weigh(layer: IO[bytes]) -> tuple[int, int]:
    piece = layer.read(PIECE)
    if piece.startswith(COMPRESSED):
        whole = len(piece) + sum(len(more) for more in iter(lambda: layer.read(PIECE), b""))
        return whole, whole
    press = zlib.compressobj(LEVEL, wbits=GZIP)
    raw = small = 0
    while piece:
        raw += len(piece)
        small += len(press.compress(piece))
        piece = layer.read(PIECE)
    return raw, small + len(press.flush())
