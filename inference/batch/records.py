"""Text cut into chunks at the ends of its records, so that each can be read on its own."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, TypeAlias

import numpy as np

from tridock.inference.batch.chunk import Chunk, Position
from tridock.inference.batch.files import File
from tridock.inference.errors import FormatError

if TYPE_CHECKING:
    import numpy.typing as npt

    Ends: TypeAlias = npt.NDArray[np.int64]
    Stream: TypeAlias = gzip.GzipFile | IO[bytes]

#: Read at once.
READ_BYTES = 4 << 20
#: Bytes after which a chunk ends before its rows are complete.
CHUNK_BYTES = 32 << 20
#: A single record that is larger is none: a quote is missing.
RECORD_BYTES = 256 << 20

NEWLINE, QUOTE = 10, 34


@dataclass(frozen=True)
class Records:
    """A way to cut text files into chunks.

    Attributes
    ----------
    rows : int
        The most records in a chunk.
    quoted : bool
        Whether a record may hold line ends between double quotes (RFC 4180, section 2.6).
    """

    rows: int
    quoted: bool

    def chunks(self, file: File, start: Position) -> Iterator[Chunk]:
        """Yield the chunks of a file from a place on.

        Raises
        ------
        FormatError
            If the file is no gzip as its name says, or a record does not end.
        """
        with opened(file) as stream:
            skip(stream, start.offset)
            yield from self._cut(stream, file, start)

    def _cut(self, stream: Stream, file: File, start: Position) -> Iterator[Chunk]:
        rest, here = b"", start
        while True:
            text, ends = self._filled(stream, rest, file, here)
            if not text:
                return
            size = int(ends[-1]) + 1 if len(ends) else len(text)
            content, rest = text[:size], text[size:]
            lines = content.count(b"\n") + (not content.endswith(b"\n"))
            after = Position(here.file, here.offset + size, here.line + lines)
            yield Chunk(here, after, content)
            here = after

    def _filled(
        self, stream: Stream, rest: bytes, file: File, here: Position
    ) -> tuple[bytes, Ends]:
        """Read on until there is a chunk; return the text and where the chunk's records end."""
        text, step = rest, READ_BYTES
        while True:
            ends = self._ends(text)[: self.rows]
            if len(ends) == self.rows or (len(ends) and len(text) >= CHUNK_BYTES):
                return text, ends[: max(1, np.searchsorted(ends, CHUNK_BYTES))]
            if len(text) > RECORD_BYTES:
                raise FormatError(f"{file.path}: the record after line {here.line} does not end")
            more = read(stream, file, step)
            if not more:
                # The text after the last line end is a record too.
                return text, ends if text.endswith(b"\n") else ends[:0]
            text, step = text + more, 2 * step

    def _ends(self, text: bytes) -> Ends:
        view = np.frombuffer(text, np.uint8)
        newlines = np.flatnonzero(view == NEWLINE)
        if not self.quoted or b'"' not in text:
            return newlines
        quotes = np.flatnonzero(view == QUOTE)
        ends: Ends = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
        return ends


def opened(file: File) -> Stream:
    """Open a text file to read its uncompressed bytes."""
    return gzip.open(file.path, "rb") if file.gzipped else file.path.open("rb")


def read(stream: Stream, file: File, size: int) -> bytes:
    """Read some bytes; a broken gzip is a `FormatError` that names the file."""
    try:
        return stream.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FormatError(f"{file.path} is not a complete gzip: {error}") from error


def skip(stream: Stream, offset: int) -> None:
    """Go on to a place in the uncompressed bytes."""
    stream.seek(offset)
