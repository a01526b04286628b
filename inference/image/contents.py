"""Contents of an image, read from its files; nothing of the image is run."""

from __future__ import annotations

import re
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import HeaderParser

from tridock.inference.image.engine import EngineError, Image, docker

#: Core metadata of Python distributions, and Debian's list of installed packages.
METADATA = re.compile(r"\.dist-info/METADATA$")
PACKAGES = "var/lib/dpkg/status"
#: A requirement's name (PEP 508), and whether it is one that only an extra asks for.
REQUIREMENT = re.compile(r"^([A-Za-z0-9][\w.-]*)(.*)$", re.DOTALL)


@dataclass(frozen=True)
class Package:
    """Something that was installed.

    Attributes
    ----------
    kind : str
        ``"pypi"``, ``"deb"`` or ``"generic"``, as package URLs have it.
    name, version : str
        As its registry has them.
    license : str
        An SPDX expression or a name; empty where it does not say.
    needs : tuple of str
        Normalised names of what it demands without an extra.
    architecture : str
        Debian's.
    """

    kind: str
    name: str
    version: str
    license: str = ""
    needs: tuple[str, ...] = ()
    architecture: str = ""


@dataclass(frozen=True)
class Contents:
    """Paths of all files, without the leading slash, and what is installed."""

    paths: tuple[str, ...]
    packages: tuple[Package, ...] = field(default=())


def read(image: Image) -> Contents:
    """Return what is inside of `image`.

    Raises
    ------
    EngineError
        If the engine does not give its files away.
    """
    made = docker("create", image.id, "-")
    try:
        with (
            subprocess.Popen(["docker", "export", made], stdout=subprocess.PIPE) as export,
            tarfile.open(fileobj=export.stdout, mode="r|") as files,
        ):
            paths, texts = _walked(files)
        if export.returncode:
            raise EngineError(f"docker export {image.name}: exit code {export.returncode}")
    finally:
        docker("rm", "--force", made)
    return Contents(tuple(paths), tuple(_packages(image, texts)))


def _walked(files: tarfile.TarFile) -> tuple[list[str], dict[str, str]]:
    paths, texts = [], {}
    for each in files:
        if each.isdir():
            continue
        paths.append(each.name)
        is_told = each.name == PACKAGES or METADATA.search(each.name)
        if is_told and (file := files.extractfile(each)):
            texts[each.name] = file.read().decode(errors="replace")
    return paths, texts


def _packages(image: Image, texts: Mapping[str, str]) -> Iterator[Package]:
    for path, text in sorted(texts.items()):
        if path != PACKAGES:
            yield distribution(text)
    yield from debian(texts.get(PACKAGES, ""))
    if version := image.variables.get("PYTHON_VERSION"):  # Docker's Python is built from source
        yield Package("generic", "python", version, "PSF-2.0")


def distribution(metadata: str) -> Package:
    """Return the distribution that a METADATA file describes («Core metadata specifications»)."""
    headers = HeaderParser().parsestr(metadata)
    needs = [REQUIREMENT.match(one) for one in headers.get_all("Requires-Dist") or ()]
    names = {normal(one[1]) for one in needs if one and "extra ==" not in one[2]}
    return Package(
        "pypi", headers["Name"], headers["Version"], _license(headers), tuple(sorted(names))
    )


def debian(status: str) -> Iterator[Package]:
    """Yield the installed packages of a dpkg status file (deb-control(5))."""
    for stanza in status.split("\n\n"):
        headers = HeaderParser().parsestr(stanza)
        if "installed" in headers.get("Status", "").split():
            architecture = headers.get("Architecture", "")
            yield Package("deb", headers["Package"], headers["Version"], architecture=architecture)


def normal(name: str) -> str:
    """Return a distribution's name as the index has it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _license(headers: Message) -> str:
    if expression := headers.get("License-Expression"):
        return str(expression)
    classifiers = headers.get_all("Classifier") or ()
    named = [
        classifier.rpartition(" :: ")[2]
        for classifier in classifiers
        if classifier.startswith("License ::")
    ]
    text = str(headers.get("License") or "").strip().partition("\n")[0]
    return text if 0 < len(text) < 40 else " AND ".join(named)
