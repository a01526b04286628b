"""Archives that strangers made: bounds, paths, kinds of entries, names that occur twice."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from tridock.inference.bundle import archive
from tridock.inference.bundle.archive import LIMITS, Limits
from tridock.inference.bundle.bundle import Bundle
from tridock.inference.errors import BundleError

Entry = tuple[tarfile.TarInfo, bytes]


def file(name: str, content: bytes = b"x") -> Entry:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    return entry, content


def special(name: str, kind: bytes, link: str = "") -> Entry:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry, b""


def packed(to: Path, entries: Iterable[Entry]) -> Path:
    with tarfile.open(to, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for entry, content in entries:
            tar.addfile(entry, io.BytesIO(content))
    return to


def refused(tmp_path: Path, archive_file: Path, words: str, limits: Limits = LIMITS) -> None:
    """Unpack into a folder beside a file that must not change, and see that nothing is left."""
    (tmp_path / "outside").write_text("mine")
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(BundleError, match=words):
        archive.unpack(archive_file, into, limits)
    assert (tmp_path / "outside").read_text() == "mine"
    with pytest.raises(BundleError):
        Bundle.unpack(archive_file, tmp_path / "bundle")
    assert {path.name for path in tmp_path.iterdir()} == {"outside", "into", archive_file.name}


@pytest.mark.parametrize(
    "name", ["../outside", "/tmp/outside", "a/../../outside", "..", "a\0b", "", "."]
)
def test_a_path_that_leaves_the_folder_or_names_no_file_is_refused(
    tmp_path: Path, name: str
) -> None:
    content = packed(tmp_path / "a.tar.gz", [file("first"), file("name")])
    raw = gzip.decompress(content.read_bytes())
    block = tarfile.TarInfo(name.replace("\0", ""))
    block.size = 1
    header = block.tobuf(tarfile.GNU_FORMAT) if "\0" not in name else b""
    if "\0" in name:  # A PAX header may hold what tarfile would not write.
        record = f"path={name}\n"
        length = len(record) + len(str(len(record) + 4)) + 1
        pax = tarfile.TarInfo("pax")
        pax.type, pax.size = tarfile.XHDTYPE, length
        text = f"{length} {record}".encode()
        header = pax.tobuf(tarfile.USTAR_FORMAT) + text.ljust(512, b"\0")
        header += block.tobuf(tarfile.USTAR_FORMAT)
    content.write_bytes(gzip.compress(raw[:1024] + header + b"x".ljust(512, b"\0") + bytes(1024)))
    refused(tmp_path, content, "is not a plain file within it")


@pytest.mark.parametrize(
    ("kind", "link"),
    [
        (tarfile.SYMTYPE, "outside"),
        (tarfile.SYMTYPE, "../outside"),
        (tarfile.LNKTYPE, "../outside"),
        (tarfile.LNKTYPE, "first"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ],
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes, link: str) -> None:
    entries = [file("first"), special("model.joblib", kind, link)]
    refused(tmp_path, packed(tmp_path / "a.tar.gz", entries), "'model.joblib' is not a plain file")


@pytest.mark.parametrize(
    ("names", "twice"),
    [
        (("model", "model"), "model"),
        (("model", "./model"), "model"),
        (("model", "model/part"), "model"),
        (("model/part", "model"), "model"),
        (("a/b", "a//b"), "a/b"),
    ],
)
def test_two_entries_of_one_name_are_refused(
    tmp_path: Path, names: tuple[str, ...], twice: str
) -> None:
    content = packed(tmp_path / "a.tar.gz", [file(name) for name in names])
    refused(tmp_path, content, f"holds more than one entry for '{twice}'")


def test_the_size_of_all_files_together_is_bounded(tmp_path: Path) -> None:
    content = packed(tmp_path / "a.tar.gz", [file(f"f{n}", bytes(400_000)) for n in range(3)])
    refused(
        tmp_path,
        content,
        r"content exceeds the limit of 1,000,000 bytes.*unpack it with tar",
        Limits(total_bytes=1_000_000),
    )


def test_the_size_that_a_header_claims_is_bounded_before_anything_is_written(
    tmp_path: Path,
) -> None:
    claim = tarfile.TarInfo("huge")
    claim.size = 1 << 40
    content = tmp_path / "a.tar.gz"
    content.write_bytes(gzip.compress(claim.tobuf(tarfile.GNU_FORMAT)))
    refused(tmp_path, content, "content exceeds the limit of 17,179,869,184 bytes")
    assert list((tmp_path / "into").iterdir()) == []


def test_a_sparse_file_counts_with_the_size_it_unfolds_to(tmp_path: Path) -> None:
    sparse = tarfile.TarInfo("sparse")
    header = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[386:410] = b"%011o\0%011o\0" % (0, 0)  # one empty segment
    header[482:483] = b"\0"
    header[483:495] = b"\x80" + struct.pack(">3xQ", 1 << 40)  # its real size
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    content = tmp_path / "a.tar.gz"
    content.write_bytes(gzip.compress(bytes(header) + bytes(1024)))
    refused(tmp_path, content, "content exceeds the limit")


def test_the_number_of_entries_is_bounded(tmp_path: Path) -> None:
    content = packed(tmp_path / "a.tar.gz", [file(f"d/f{n}", b"") for n in range(12)])
    words = "number of entries exceeds the limit of 10 entries"
    refused(tmp_path, content, words, Limits(members=10))


def test_the_ratio_of_compression_is_bounded(tmp_path: Path) -> None:
    content = packed(tmp_path / "a.tar.gz", [file("zeros", bytes(8_000_000))])
    limits = Limits(ratio=100, ratio_from=1_000_000)
    refused(tmp_path, content, "compression exceeds the limit of 100 unpacked bytes", limits)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_headers_are_not_read_into_memory_without_a_bound(tmp_path: Path, kind: bytes) -> None:
    header = tarfile.TarInfo("header")
    header.type, header.size = kind, 64 << 20
    content = tmp_path / "a.tar.gz"
    content.write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(64 << 20)))
    refused(tmp_path, content, "headers of one entry exceeds the limit of 1,048,576 bytes")


def test_zeros_after_the_end_are_bounded_too(tmp_path: Path) -> None:
    content = packed(tmp_path / "a.tar.gz", [file("model")])
    content.write_bytes(content.read_bytes() + gzip.compress(bytes(8_000_000)))
    refused(tmp_path, content, "content exceeds", Limits(total_bytes=1_000_000))


def test_a_name_that_no_disk_takes_is_refused(tmp_path: Path) -> None:
    content = packed(tmp_path / "a.tar.gz", [file("n" * 300)])
    refused(tmp_path, content, "cannot be unpacked into .*too long")


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    content = packed(tmp_path / "a.tar.gz", [file("model")])
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(BundleError, match="taken cannot be made: .*choose another place"):
        Bundle.unpack(content, tmp_path / "taken" / "bundle")
    with pytest.raises(BundleError, match="there is no archive"):
        Bundle.unpack(tmp_path, tmp_path / "bundle")


def test_what_is_written_has_one_mode_and_is_of_right_size(tmp_path: Path) -> None:
    entry, content = file("code/run", b"y" * 3_000_000)
    entry.mode = 0o6777
    into = tmp_path / "into"
    into.mkdir()
    archive.unpack(packed(tmp_path / "a.tar.gz", [(entry, content)]), into)
    assert (into / "code" / "run").stat().st_mode & 0o7777 == 0o644
    assert (into / "code" / "run").read_bytes() == content
