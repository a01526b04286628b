"""The database of a state folder: a record is on disk before the answer that shows it."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeAlias

from tridock.emulators.errors import StartError

log = logging.getLogger(__name__)

#: Kind, name, and content; None deletes.
Change: TypeAlias = tuple[str, str, str | bytes | None]

#: Bytes of a full disk that are left to us: pages of the file that are free, and its log.
RESERVE_BYTES = 1024 * 1024
PAGE_BYTES = 4096
_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (kind TEXT, name TEXT, body, PRIMARY KEY (kind, name));
CREATE TABLE IF NOT EXISTS reserve (filler BLOB);
"""
#: An update keeps its place in the order, in which records are read back.
_PUT = (
    "INSERT INTO records VALUES (?, ?, ?) "
    "ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body"
)
_DELETE = "DELETE FROM records WHERE kind = ? AND name = ?"


class NotWrittenError(Exception):
    """The disk did not take a change, and the database is as before it."""


class Database:
    """Records by kind and name, in one file that a killed process cannot tear.

    SQLite in WAL mode: a transaction is whole or not there. The file and its log are given their
    size at the first start, so that records can be changed and deleted on a full disk.

    Parameters
    ----------
    path : Path
        The file. One whose content cannot be read is put aside and named in the log.

    Raises
    ------
    StartError
        If it cannot be opened: another process uses it, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._connection = _opened(path)
        except sqlite3.OperationalError as error:
            raise StartError(f"{path} cannot be opened: {error}") from error
        except sqlite3.DatabaseError as error:
            aside = path.with_name(f"{path.name}.unreadable-{time.time_ns()}")
            log.error("%s cannot be read (%s): put aside as %s", path, error, aside.name)
            path.rename(aside)
            for suffix in ("-wal", "-journal"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            self._connection = _opened(path)

    def load(self, kind: str) -> list[tuple[str, str]]:
        """Return names and bodies of one kind, in the order in which they were made."""
        query = "SELECT name, body FROM records WHERE kind = ? ORDER BY rowid"
        with self._lock:
            return list(self._connection.execute(query, (kind,)))

    def read(self, kind: str, name: str) -> bytes:
        """Return the body of one record; empty if there is none."""
        query = "SELECT body FROM records WHERE kind = ? AND name = ?"
        with self._lock:
            row = self._connection.execute(query, (kind, name)).fetchone()
        body = row[0] if row else b""
        return body.encode() if isinstance(body, str) else bytes(body)

    def write(self, changes: Iterable[Change]) -> None:
        """Make several changes at once: all of them, or none.

        Raises
        ------
        NotWrittenError
            If the disk is full.
        """
        known = list(changes)
        with self._lock:
            try:
                self._write(known)
            except sqlite3.OperationalError:
                # The log may be full while the file has free pages: write it back, and again.
                try:
                    self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
                    self._write(known)
                except sqlite3.OperationalError as error:
                    raise NotWrittenError(f"the emulator's disk is full: {error}") from error

    def clear(self, kinds: Iterable[str]) -> None:
        """Delete all records of some kinds.

        Raises
        ------
        NotWrittenError
            If the disk is full.
        """
        query = "SELECT name FROM records WHERE kind = ?"
        with self._lock:
            known = [
                (k, *row, None) for k in kinds for row in self._connection.execute(query, (k,))
            ]
        self.write(known)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _write(self, changes: list[Change]) -> None:
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            for kind, name, body in changes:
                if body is None:
                    connection.execute(_DELETE, (kind, name))
                else:
                    connection.execute(_PUT, (kind, name, body))


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        _prepare(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    # Alone in the file, SQLite needs no shared memory, which a full disk could not give it.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    # Killed processes lose nothing without fsync; a power cut loses the last changes, whole ones.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {RESERVE_BYTES // PAGE_BYTES // 2}")
    connection.executescript(_SCHEMA)
    with closing(connection.execute("PRAGMA quick_check(1)")) as cursor:
        if (version := cursor.fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(version)
    _reserve(connection)


def _reserve(connection: sqlite3.Connection) -> None:
    """Have free pages in the file and its log for what is written on a full disk."""
    with suppress(sqlite3.OperationalError):
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO reserve VALUES (zeroblob(?))", (RESERVE_BYTES,))
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM reserve")
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
