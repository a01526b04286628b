"""Parquet files joined without reading their rows: one file's body after the other, and one footer.

A Parquet file is ``PAR1``, the row groups' bytes, a footer in Thrift's compact protocol, its length
and ``PAR1`` again (Apache Parquet, «File Format»). The footer knows where each column of each row
group begins; moved by the bytes that were written before, it is right for the joined file.
Sources: parquet-format, ``parquet.thrift``; Apache Thrift, «Thrift Compact protocol encoding».
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

MAGIC = b"PAR1"

#: FileMetaData: num_rows, row_groups.
ROWS, GROUPS = 3, 4
#: RowGroup: columns, file_offset, ordinal.
COLUMNS, GROUP_OFFSET, ORDINAL = 1, 5, 7
#: ColumnChunk: file_offset, meta_data, offset_index_offset, column_index_offset.
CHUNK_OFFSET, META, OFFSET_INDEX, COLUMN_INDEX = 2, 3, 4, 6
#: ColumnMetaData: data_page_offset, index_page_offset, dictionary_page_offset, bloom_filter_offset.
PAGE_OFFSETS = (9, 10, 11, 14)

#: Types of the compact protocol.
TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
INTEGERS = (I16, I32, I64)

#: A struct: field's number to its type and value.
Struct = dict[int, tuple[int, Any]]


@dataclass(frozen=True)
class Part:
    """One whole Parquet file, taken apart.

    Attributes
    ----------
    body : bytes-like
        The row groups.
    footer : bytes
        What describes them.
    """

    body: memoryview
    footer: bytes


def apart(file: memoryview) -> Part:
    """Take a whole file apart."""
    (size,) = struct.unpack("<I", file[-8:-4])
    return Part(file[len(MAGIC) : -8 - size], bytes(file[-8 - size : -8]))


def joined(parts: Iterable[tuple[int, bytes]]) -> bytes:
    """Return the end of a file that holds several parts' bodies, one after the other.

    Parameters
    ----------
    parts : iterable of (int, bytes)
        Each part's length of body, and its footer; of one schema.
    """
    whole: Struct = {}
    groups: list[Struct] = []
    rows = moved = 0
    for size, footer in parts:
        read = Reader(footer).struct()
        whole = whole or read
        rows += read[ROWS][1]
        for group in read[GROUPS][1][1]:
            groups.append(_moved(group, moved))
        moved += size
    whole[ROWS] = (I64, rows)
    whole[GROUPS] = (LIST, (STRUCT, groups))
    writer = Writer()
    writer.struct(whole)
    return bytes(writer.out) + struct.pack("<I", len(writer.out)) + MAGIC


def noted(size: int, footer: bytes) -> bytes:
    """Write a part's length of body and its footer down, for `parts` to read."""
    return struct.pack("<QI", size, len(footer)) + footer


def parts(notes: bytes) -> Iterator[tuple[int, bytes]]:
    """Read what `noted` wrote, one after the other."""
    at, head = 0, struct.calcsize("<QI")
    while at < len(notes):
        size, length = struct.unpack_from("<QI", notes, at)
        yield size, notes[at + head : at + head + length]
        at += head + length


def _moved(group: Struct, by: int) -> Struct:
    group.pop(ORDINAL, None)  # Optional, and of 16 bits.
    _move(group, by, GROUP_OFFSET)
    for chunk in group[COLUMNS][1][1]:
        _move(chunk, by, OFFSET_INDEX, COLUMN_INDEX)
        if chunk[CHUNK_OFFSET][1]:  # Deprecated, and 0 by those who follow.
            _move(chunk, by, CHUNK_OFFSET)
        _move(chunk[META][1], by, *PAGE_OFFSETS)
    return group


def _move(record: Struct, by: int, *numbers: int) -> None:
    for number in numbers:
        if number in record:
            kind, offset = record[number]
            record[number] = (kind, offset + by)


@dataclass
class Reader:
    """Reads Thrift's compact protocol.

    Attributes
    ----------
    data : bytes
        What is read.
    at : int
        How far.
    """

    data: bytes
    at: int = 0

    def struct(self) -> Struct:
        """Read a struct."""
        fields: Struct = {}
        number = 0
        while head := self._byte():
            kind = head & 0x0F
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            fields[number] = (kind, kind == TRUE if kind in (TRUE, FALSE) else self._value(kind))
        return fields

    def _value(self, kind: int) -> Any:
        if kind in INTEGERS:
            return self._zigzag()
        if kind == BINARY:
            return self._bytes(self._varint())
        if kind in (LIST, SET):
            return self._list()
        if kind == STRUCT:
            return self.struct()
        if kind == DOUBLE:
            return self._bytes(8)
        if kind in (TRUE, FALSE, BYTE):
            return self._byte()
        raise ValueError(f"type {kind} of the compact protocol is in no Parquet footer")

    def _list(self) -> tuple[int, list[Any]]:
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._varint()
        return head & 0x0F, [self._value(head & 0x0F) for _ in range(size)]

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _bytes(self, size: int) -> bytes:
        self.at += size
        return self.data[self.at - size : self.at]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)


class Writer:
    """Writes Thrift's compact protocol.

    Attributes
    ----------
    out : bytearray
        What is written.
    """

    def __init__(self) -> None:
        self.out = bytearray()

    def struct(self, record: Struct) -> None:
        """Write a struct."""
        last = 0
        for number in sorted(record):
            kind, value = record[number]
            if kind in (TRUE, FALSE):
                kind = TRUE if value else FALSE
            step = number - last
            if 0 < step < 16:
                self.out.append(step << 4 | kind)
            else:
                self.out.append(kind)
                self._zigzag(number)
            if kind not in (TRUE, FALSE):
                self._value(kind, value)
            last = number
        self.out.append(0)

    def _value(self, kind: int, value: Any) -> None:
        writers: dict[int, Callable[[Any], None]] = {
            BINARY: self._binary,
            LIST: self._list,
            SET: self._list,
            STRUCT: self.struct,
            DOUBLE: self.out.extend,
        }
        if kind in INTEGERS:
            self._zigzag(value)
        elif kind in writers:
            writers[kind](value)
        else:
            self.out.append(value)

    def _binary(self, value: bytes) -> None:
        self._varint(len(value))
        self.out.extend(value)

    def _list(self, value: tuple[int, list[Any]]) -> None:
        kind, items = value
        if len(items) < 15:
            self.out.append(len(items) << 4 | kind)
        else:
            self.out.append(0xF0 | kind)
            self._varint(len(items))
        for item in items:
            self._value(kind, item)

    def _varint(self, value: int) -> None:
        while value >= 0x80:
            self.out.append(value & 0x7F | 0x80)
            value >>= 7
        self.out.append(value)

    def _zigzag(self, value: int) -> None:
        self._varint((value << 1) ^ (value >> 63))
