"""A bill of materials in CycloneDX's form, version 1.6."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tridock.inference.image.contents import Package, normal
from tridock.inference.image.engine import Image

#: What an SPDX expression looks like; any other text is a license's name.
SPDX = re.compile(r"^\(?[A-Za-z0-9.+-]+\)?( (AND|OR|WITH) \(?[A-Za-z0-9.+-]+\)?)*$")


def bill(image: Image, packages: Sequence[Package]) -> Mapping[str, Any]:
    """Return the bill of an image as JSON-ready values; the same image has the same bill.

    Source: CycloneDX v1.6 JSON reference; package URLs by «purl-spec».
    """
    name, _, tag = image.name.rpartition("/")[2].partition(":")
    root = {"type": "container", "bom-ref": image.id, "name": name, "version": tag or "latest"}
    parts = sorted(packages, key=url)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, image.id)}",
        "version": 1,
        "metadata": {"component": {**root, "properties": _properties(image)}},
        "components": [_component(each) for each in parts],
        "dependencies": _dependencies(image, parts),
    }


def url(package: Package) -> str:
    """Return a package's URL, e.g. ``pkg:pypi/numpy@2.4.6``."""
    version = quote(package.version, safe="")
    if package.kind == "pypi":
        return f"pkg:pypi/{normal(package.name)}@{version}"
    if package.kind == "deb":
        name = quote(package.name, safe="")
        return f"pkg:deb/debian/{name}@{version}?arch={package.architecture}"
    return f"pkg:{package.kind}/{package.name}@{version}"


def _component(package: Package) -> Mapping[str, Any]:
    made = {
        "type": "library",
        "bom-ref": url(package),
        "name": package.name,
        "version": package.version,
        "purl": url(package),
    }
    return {**made, "licenses": [_license(package.license)]} if package.license else made


def _license(told: str) -> Mapping[str, Any]:
    named = {"license": {"name": told}}
    return {"expression": told} if SPDX.match(told) and " " in told else named


def _dependencies(image: Image, packages: Sequence[Package]) -> list[Mapping[str, Any]]:
    known = {normal(each.name): url(each) for each in packages if each.kind == "pypi"}
    needed = {url(each): [known[n] for n in each.needs if n in known] for each in packages}
    above = {ref for refs in needed.values() for ref in refs}
    tops = [ref for ref in needed if ref not in above]
    listed = [{"ref": image.id, "dependsOn": tops}]
    return [*listed, *({"ref": ref, "dependsOn": refs} for ref, refs in needed.items())]


def _properties(image: Image) -> list[Mapping[str, str]]:
    told = {"platform": image.platform, **image.labels}
    return [{"name": f"tridock:{name}", "value": value} for name, value in sorted(told.items())]
