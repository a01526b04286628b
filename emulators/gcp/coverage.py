"""Which methods of Google's interfaces are emulated: Google's own lists against our handlers."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tridock.emulators.coverage import Coverage
from tridock.emulators.gcp.front import longrunning
from tridock.emulators.gcp.front.handlers import HANDLERS
from tridock.emulators.gcp.protocol.schema import FOLDER, Schema
from tridock.emulators.gcp.vertex import predictions

#: Of the interfaces that Google describes without protos; a test asks for each of them.
DOCUMENTED: Mapping[str, tuple[str, ...]] = {
    "storage": (
        *("buckets.list", "buckets.insert", "buckets.get", "buckets.patch", "buckets.update"),
        *("buckets.delete", "buckets.getIamPolicy", "buckets.setIamPolicy"),
        *("buckets.testIamPermissions", "objects.list", "objects.insert", "objects.get"),
        *("objects.patch", "objects.update", "objects.delete", "objects.copy"),
        *("objects.rewrite", "objects.compose"),
    ),
    "logging": ("entries.list",),
    "bigquery": ("tables.get", "tabledata.list"),
}


def count() -> Sequence[Coverage]:
    """Return the coverage of every service of which something is emulated."""
    return (*_described(), _operations(), *_documented())


def _described() -> Iterator[Coverage]:
    schema = Schema.load()
    known: dict[str, set[str]] = defaultdict(set)
    for name in (*schema.methods, *(binding.name for binding in schema.known)):
        service, _, method = name.partition(".")
        known[service].add(method)
    real = {*HANDLERS, *predictions.RAW_METHODS}
    for service, methods in sorted(known.items()):
        here = {name for name in methods if f"{service}.{name}" in real}
        if here:
            yield Coverage(service, tuple(sorted(here)), (), tuple(sorted(methods - here)))


def _operations() -> Coverage:
    names = {method.name.partition(".")[2] for method, _ in longrunning.methods().values()}
    missing = ("CancelOperation",)
    return Coverage("Operations", tuple(sorted(names - set(missing))), (), missing)


def _documented() -> Iterator[Coverage]:
    documents = json.loads((FOLDER / "documents.json").read_text())
    for service, real in DOCUMENTED.items():
        names = {name.partition(".")[2] for name, _, _ in documents[service]}
        yield Coverage(service, tuple(sorted(real)), (), tuple(sorted(names - set(real))))
