"""Bundles: what was packaged is what is read, byte for byte, or it is refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tridock.inference.bundle.bundle import Bundle, listing
from tridock.inference.bundle.manifest import MANIFEST, Manifest
from tridock.inference.errors import BundleError, BundleMissingError, TamperedError, VersionError


def test_a_bundle_is_read_with_all_it_says(loan_bundle: Bundle) -> None:
    read = Bundle.read(loan_bundle.path)
    assert read == loan_bundle
    assert (read.name, read.version, len(read.digest)) == ("loan", "1.2", 64)


def test_the_manifest_survives_json(loan_bundle: Bundle) -> None:
    manifest = loan_bundle.manifest
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_the_digest_depends_on_everything(iris_bundle: Bundle) -> None:
    manifest = iris_bundle.manifest
    others = {
        replace(manifest, version="2").digest,
        replace(manifest, files={**manifest.files, "model.joblib": "0" * 64}).digest,
        replace(manifest, metrics={"accuracy": 0.5}).digest,
    }
    assert len(others | {manifest.digest}) == 4


def remove(path: Path) -> None:
    (path / "model.joblib").unlink()


def flip_a_byte(path: Path) -> None:
    content = bytearray((path / "model.joblib").read_bytes())
    content[100] ^= 1
    (path / "model.joblib").write_bytes(content)


def add(path: Path) -> None:
    (path / "code").mkdir()
    (path / "code" / "extra.py").write_text("")


def add_bytecode(path: Path) -> None:
    (path / "__pycache__").mkdir()
    (path / "__pycache__" / "score.cpython-311.pyc").write_bytes(b"")


def change_the_version(path: Path) -> None:
    text = (path / MANIFEST).read_text()
    (path / MANIFEST).write_text(text.replace('"version": "1"', '"version": "2"'))


def change_a_space(path: Path) -> None:
    (path / MANIFEST).write_bytes((path / MANIFEST).read_bytes().replace(b"\n", b"\r\n"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (remove, "model.joblib is listed in manifest.json but missing"),
        (flip_a_byte, "model.joblib in .* changed after packaging: its SHA-256 differs"),
        (add, "code/extra.py stands in .* but is not listed"),
        (add_bytecode, "__pycache__/score.cpython-311.pyc stands in .* but is not listed"),
        (change_the_version, "manifest.json changed after packaging"),
        (change_a_space, "manifest.json changed after packaging"),
    ],
)
def test_a_spoilt_bundle_is_refused(
    copied: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(copied)
    with pytest.raises(TamperedError, match=message):
        Bundle.read(copied)


def test_any_changed_byte_of_the_manifest_is_refused(copied: Path) -> None:
    content = (copied / MANIFEST).read_bytes()
    for position in range(0, len(content), 97):
        changed = bytearray(content)
        changed[position] ^= 1
        (copied / MANIFEST).write_bytes(changed)
        with pytest.raises(BundleError):
            Bundle.read(copied)


def test_a_directory_without_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError, match=r"has no manifest\.json.*`tridock package`"):
        Bundle.read(tmp_path)
    with pytest.raises(BundleMissingError):
        Bundle.read(tmp_path / "absent")


def test_another_format_is_refused_with_both_numbers(copied: Path) -> None:
    record = json.loads((copied / MANIFEST).read_text())
    (copied / MANIFEST).write_text(json.dumps({**record, "format": 2}))
    with pytest.raises(VersionError, match="format 2 and this program reads 1"):
        Bundle.read(copied)


@pytest.mark.parametrize("text", ["", "not json", "[]", "3", "null", '{"format": 1}', "\udcff"])
def test_what_is_no_manifest_is_refused(copied: Path, text: str) -> None:
    (copied / MANIFEST).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(BundleError):
        Bundle.read(copied)


@pytest.mark.parametrize("file", ["/etc/passwd", "../outside", "a/../../b"])
def test_a_manifest_cannot_list_files_outside(iris_bundle: Bundle, file: str) -> None:
    manifest = replace(iris_bundle.manifest, files={file: "0" * 64})
    with pytest.raises(BundleError, match="outside of the bundle"):
        Manifest.from_json(manifest.to_json())


def test_packing_twice_gives_the_same_bytes(iris_bundle: Bundle, tmp_path: Path) -> None:
    first = iris_bundle.pack(tmp_path / "first" / "model.tar.gz")
    moved = Path(shutil.copytree(iris_bundle.path, tmp_path / "elsewhere"))
    for file in moved.iterdir():
        file.chmod(0o600)
        os.utime(file, (1, 1))
    second = Bundle.read(moved).pack(tmp_path / "other-name.tgz")
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in first.parent.iterdir()) == ["model.tar.gz"]


def test_an_archive_bears_no_trace_of_its_maker(iris_bundle: Bundle, tmp_path: Path) -> None:
    archive = iris_bundle.pack(tmp_path / "model.tar.gz")
    assert archive.read_bytes()[3:8] == bytes(5)  # no name, no time
    with tarfile.open(archive) as tar:
        entries = tar.getmembers()
    assert [entry.name for entry in entries] == sorted([MANIFEST, *iris_bundle.manifest.files])
    owners = {(e.mtime, e.uid, e.gid, e.uname, e.gname, e.mode) for e in entries}
    assert owners == {(0, 0, 0, "", "", 0o644)}


def test_what_is_unpacked_is_what_was_packed(loan_bundle: Bundle, tmp_path: Path) -> None:
    archive = loan_bundle.pack(tmp_path / "model.tar.gz")
    again = Bundle.unpack(archive, tmp_path / "to" / "bundle")
    assert again.manifest == loan_bundle.manifest
    assert again.path == tmp_path / "to" / "bundle"
    assert listing(again.path) == listing(loan_bundle.path)


def test_unpacking_replaces_an_older_bundle_and_nothing_else(
    iris_bundle: Bundle, loan_bundle: Bundle, tmp_path: Path
) -> None:
    archive = loan_bundle.pack(tmp_path / "model.tar.gz")
    to = Path(shutil.copytree(iris_bundle.path, tmp_path / "to"))
    assert Bundle.unpack(archive, to).name == "loan"
    assert Bundle.read(to).name == "loan"
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match="neither empty nor a bundle"):
        Bundle.unpack(archive, other)
    assert (other / "thesis.txt").read_text() == "years of work"


def archive_of(entry: tarfile.TarInfo, to: Path) -> Path:
    with tarfile.open(to, "w:gz") as tar:
        tar.addfile(entry, io.BytesIO(b"x" * entry.size))
    return to


def test_nothing_escapes_when_unpacked(tmp_path: Path) -> None:
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    absolute, upward = tarfile.TarInfo("/tmp/absolute"), tarfile.TarInfo("../upward")
    for entry in (link, absolute, upward):
        with pytest.raises(BundleError, match="not a plain file within"):
            Bundle.unpack(archive_of(entry, tmp_path / "bad.tar.gz"), tmp_path / "to")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.tar.gz"]


def test_archives_of_other_makers_are_read(iris_bundle: Bundle, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(iris_bundle.path, arcname=".")
    again = Bundle.unpack(tmp_path / "model.tar.gz", tmp_path / "to")
    assert again.manifest == iris_bundle.manifest


@pytest.mark.parametrize("content", [b"", b"no archive", gzip.compress(b"no tar", mtime=0)])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.tar.gz").write_bytes(content)
    with pytest.raises(BundleError, match=r"not a complete tar\.gz"):
        Bundle.unpack(tmp_path / "model.tar.gz", tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_cut_archive_is_refused_and_leaves_nothing(iris_bundle: Bundle, tmp_path: Path) -> None:
    archive = iris_bundle.pack(tmp_path / "model.tar.gz")
    whole = archive.read_bytes()
    for length in (10, len(whole) // 2, len(whole) - 4):
        archive.write_bytes(whole[:length])
        with pytest.raises(BundleError):
            Bundle.unpack(archive, tmp_path / "to")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.tar.gz"]
    with pytest.raises(BundleError, match="there is no archive"):
        Bundle.unpack(tmp_path / "absent.tar.gz", tmp_path / "to")


NAMES = st.from_regex(r"[a-z]{1,8}(/[a-zäß ]{1,8})?", fullmatch=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(files=st.dictionaries(NAMES, st.binary(max_size=200), min_size=1, max_size=4))
def test_any_files_survive_packing_and_unpacking(
    iris_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("files")
    for name, content in files.items():
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        except OSError:  # One name is the directory of another.
            continue
    manifest = replace(iris_bundle.manifest, files=listing(folder))
    (folder / MANIFEST).write_text(manifest.to_json())
    bundle = Bundle.read(folder)
    again = Bundle.unpack(bundle.pack(folder.parent / "a.tar.gz"), folder.parent / "again")
    assert listing(again.path) == listing(folder)
    assert again.digest == bundle.digest
