"""Write the schemas anew from Google's client libraries: `python -m tridock.emulators.gcp.schemas`.

Needs google-cloud-aiplatform, -run, -resource-manager, -monitoring and google-api-python-client;
the emulator itself needs none of them.
docs/decisions/0020-schema-of-the-emulated-vertex-ai.md says why.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

from google.protobuf import descriptor_pb2

FOLDER = Path(__file__).parent
MIXINS = re.compile(r".*(Operation|Operations|Location|Locations|IamPolicy|IamPermissions)$")


@dataclass(frozen=True)
class Source:
    """One client library to read.

    Attributes
    ----------
    name : str
        Of the files that are written.
    library : str
        The distribution, e.g. ``"google-cloud-aiplatform"``.
    package : str
        Its module, e.g. ``"google.cloud.aiplatform_v1"``.
    emulated : str
        Pattern of ``Service.Method`` names whose messages are kept; of the others, only the routes.
    """

    name: str
    library: str
    package: str
    emulated: str


SOURCES = (
    Source(
        "vertex",
        "google-cloud-aiplatform",
        "google.cloud.aiplatform_v1",
        r"(ModelService|EndpointService|PredictionService)\..*|JobService\..*BatchPredictionJobs?",
    ),
    Source(
        "resourcemanager",
        "google-cloud-resource-manager",
        "google.cloud.resourcemanager_v3",
        r"Projects\.GetProject",
    ),
    Source("run", "google-cloud-run", "google.cloud.run_v2", r"(Services|Revisions)\..*"),
)

_V3 = "google.monitoring.v3"
_METRICS = "/v3/{name=projects/*}/metricDescriptors"
_METRIC = "/v3/{name=projects/*/metricDescriptors/**}"
_SERIES = "/v3/{name=projects/*}/timeSeries"
_RESOURCES = "/v3/{name=projects/*}/monitoredResourceDescriptors"
_RESOURCE = "/v3/{name=projects/*/monitoredResourceDescriptors/*}"
#: Cloud Monitoring's library speaks gRPC alone and names no routes: they are those of
#: google/monitoring/v3/metric_service.proto. Name, verb, path; of those emulated the messages, too.
MONITORING = (
    ("ListTimeSeries", "GET", _SERIES, f"{_V3}.ListTimeSeriesRequest", "ListTimeSeriesResponse"),
    (
        *("ListMetricDescriptors", "GET", _METRICS),
        *(f"{_V3}.ListMetricDescriptorsRequest", "ListMetricDescriptorsResponse"),
    ),
    ("GetMetricDescriptor", "GET", _METRIC, f"{_V3}.GetMetricDescriptorRequest", ""),
    ("CreateMetricDescriptor", "POST", _METRICS),
    ("DeleteMetricDescriptor", "DELETE", _METRIC),
    ("CreateTimeSeries", "POST", _SERIES),
    ("CreateServiceTimeSeries", "POST", f"{_SERIES}:createService"),
    ("ListMonitoredResourceDescriptors", "GET", _RESOURCES),
    ("GetMonitoredResourceDescriptor", "GET", _RESOURCE),
)
#: Interfaces without messages of ours: routes only, to name what is not emulated.
DOCUMENTS = ("storage.v1", "logging.v2", "bigquery.v2")


@dataclass
class Messages:
    """Descriptors reachable from the kept methods, and the fields Google calls required."""

    kept: dict[str, Any] = field(default_factory=dict)
    outside: set[str] = field(default_factory=set)

    def add(self, descriptor: Any, package: str) -> None:
        """Keep the top-level type around `descriptor`, and what its fields refer to."""
        while descriptor.containing_type is not None:
            descriptor = descriptor.containing_type
        if descriptor.full_name in self.kept:
            return
        if descriptor.file.package != package:
            self.outside.add(descriptor.file.name)
            return
        self.kept[descriptor.full_name] = descriptor
        for type_ in _references(descriptor):
            self.add(type_, package)


def _references(descriptor: Any) -> Iterator[Any]:
    for field_ in getattr(descriptor, "fields", ()):
        if field_.message_type or field_.enum_type:
            yield field_.message_type or field_.enum_type
    for nested in getattr(descriptor, "nested_types", ()):
        yield from _references(nested)


def write(source: Source) -> None:
    """Write the routes, the required fields and the message types of one library."""
    methods, known = _methods(source)
    package = importlib.import_module(source.package)
    classes = dict(_classes(importlib.import_module(f"{source.package}.types")))
    messages = Messages()
    proto = _package_of(classes)
    for method in methods:
        for type_ in (method["request"], method["response"], *_companions(method, classes)):
            if type_ in classes:
                messages.add(classes[type_].meta.pb.DESCRIPTOR, proto)
    record = {
        "source": f"{source.library} {version(source.library)}",
        "package": proto,
        "methods": methods,
        "known": known,
        "required": _required(classes, messages),
    }
    _json(FOLDER / f"{source.name}.json", record)
    descriptors = _file(source.name, proto, messages).SerializeToString(deterministic=True)
    (FOLDER / f"{source.name}.binpb").write_bytes(descriptors)
    print(package.__name__, len(methods), "methods kept,", len(known), "known,", end=" ")
    print(len(messages.kept), "types,", len(descriptors), "bytes")


def _methods(source: Source) -> tuple[list[dict[str, Any]], list[list[str]]]:
    kept, known = [], []
    services = importlib.import_module(f"{source.package}.services")
    for path in sorted(Path(services.__path__[0]).iterdir()):
        if (path / "transports" / "rest_base.py").exists():
            for method in _service(f"{services.__name__}.{path.name}.transports"):
                if re.fullmatch(source.emulated, method["name"]):
                    kept.append(method)
                else:
                    known += [[method["name"], verb, uri] for verb, uri, _ in method["bindings"]]
    return kept, known


def _service(module: str) -> Iterator[dict[str, Any]]:
    base = importlib.import_module(f"{module}.rest_base")
    rest = importlib.import_module(f"{module}.rest")
    routes = next(c for n, c in vars(base).items() if re.fullmatch("_Base.*RestTransport", n))
    calls = next(c for n, c in vars(rest).items() if re.fullmatch("[A-Z].*RestTransport", n))
    service = calls.__name__.removesuffix("RestTransport")
    for name, route in sorted(vars(routes).items()):
        if not name.startswith("_Base") or MIXINS.match(name):
            continue
        if not hasattr(route, "_get_http_options"):
            continue
        call = inspect.signature(getattr(calls, "_" + name[5:]).__call__)
        answer = str(call.return_annotation)
        bindings = [
            [o["method"].upper(), o["uri"], o.get("body", "")] for o in route._get_http_options()
        ]
        yield {
            "name": f"{service}.{name[5:]}",
            "request": _full_name(call.parameters["request"].annotation),
            "response": _full_name(call.return_annotation),
            "stream": "ResponseIterator" in answer,
            "bindings": bindings,
        }


def _full_name(type_: Any) -> str:
    if hasattr(type_, "pb"):
        return str(type_.pb(type_()).DESCRIPTOR.full_name)
    if hasattr(type_, "DESCRIPTOR"):
        return str(type_.DESCRIPTOR.full_name)
    return "google.api.HttpBody" if "Iterator" in str(type_) else "google.protobuf.Empty"


def _companions(method: dict[str, Any], classes: dict[str, Any]) -> list[str]:
    """Return what a long-running `method` answers at its end and says on its way."""
    rpc = method["name"].partition(".")[2]
    ends = {f"{rpc}Response", f"{rpc}OperationMetadata", "DeleteOperationMetadata"}
    return [name for name in classes if name.rpartition(".")[2] in ends]


def _classes(types: ModuleType) -> Iterator[tuple[str, Any]]:
    stack = list(vars(types).values())
    while stack:
        class_ = stack.pop()
        if isinstance(class_, type) and hasattr(class_, "meta") and hasattr(class_, "pb"):
            yield class_.meta.full_name, class_
            stack += [c for c in vars(class_).values() if isinstance(c, type)]


def _package_of(classes: dict[str, Any]) -> str:
    return str(next(iter(classes.values())).meta.pb.DESCRIPTOR.file.package)


def _required(classes: dict[str, Any], messages: Messages) -> dict[str, list[str]]:
    """Read the required fields: field_behavior is stripped, but the generated text keeps it."""
    required = {}
    for name, class_ in sorted(classes.items()):
        top = name.removeprefix(_package_of(classes) + ".").partition(".")[0]
        if f"{_package_of(classes)}.{top}" in messages.kept:
            names = re.findall(
                r"^\s+(\w+) \([^)]*\):\s*\n\s+Required\.", class_.__doc__ or "", re.M
            )
            if names:
                required[name] = names
    return required


def _file(name: str, package: str, messages: Messages) -> descriptor_pb2.FileDescriptorProto:
    made = descriptor_pb2.FileDescriptorProto(
        name=f"{name}.proto", package=package, syntax="proto3", dependency=sorted(messages.outside)
    )
    for _, descriptor in sorted(messages.kept.items()):
        enum = hasattr(descriptor, "values_by_number")
        descriptor.CopyToProto(made.enum_type.add() if enum else made.message_type.add())
    return made


def write_monitoring() -> None:
    """Write the routes and messages of Cloud Monitoring; its service words what is required."""
    types = importlib.import_module("google.cloud.monitoring_v3.types")
    classes, messages = dict(_classes(types)), Messages()
    kept, known = [], []
    for name, verb, path, *types_ in MONITORING:
        if not types_:
            known.append([f"MetricService.{name}", verb, path])
            continue
        response = f"{_V3}.{types_[1]}" if types_[1] else "google.api.MetricDescriptor"
        for type_ in (types_[0], response):
            if type_ in classes:
                messages.add(classes[type_].meta.pb.DESCRIPTOR, _V3)
        bound = {"request": types_[0], "response": response, "bindings": [[verb, path, ""]]}
        kept.append({"name": f"MetricService.{name}", "stream": False, **bound})
    record = {
        "source": f"google-cloud-monitoring {version('google-cloud-monitoring')}",
        "package": _V3,
        "methods": kept,
        "known": known
        + [document for document in _document("monitoring.v3") if _is_apart(document[0])],
        "required": {},
    }
    _json(FOLDER / "monitoring.json", record)
    descriptors = _file("monitoring", _V3, messages).SerializeToString(deterministic=True)
    (FOLDER / "monitoring.binpb").write_bytes(descriptors)


def _is_apart(name: str) -> bool:
    """Tell whether a documented method is of another service than MetricService."""
    part = name.split(".")[2]
    return part not in ("timeSeries", "metricDescriptors", "monitoredResourceDescriptors")


def write_documents() -> None:
    """Write the methods of the interfaces that are emulated without their messages."""
    documents = {name.partition(".")[0]: _document(name) for name in DOCUMENTS}
    _json(FOLDER / "documents.json", documents)


def _document(name: str) -> list[list[str]]:
    folder = files("googleapiclient").joinpath("discovery_cache/documents")
    document = json.loads(folder.joinpath(f"{name}.json").read_text())
    return sorted(_listed(document, "/" + document["servicePath"]))


def _listed(resource: dict[str, Any], prefix: str) -> Iterator[list[str]]:
    for method in resource.get("methods", {}).values():
        path = method.get("flatPath", method["path"])
        yield [method["id"], method["httpMethod"], prefix + path]
    for child in resource.get("resources", {}).values():
        yield from _listed(child, prefix)


def _json(path: Path, record: object) -> None:
    path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    for source_ in SOURCES:
        write(source_)
    write_monitoring()
    write_documents()
