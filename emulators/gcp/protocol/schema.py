"""Google's message types and methods, read from the descriptors in `schemas/`."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from tridock.emulators.gcp.protocol import payload
from tridock.emulators.gcp.protocol.errors import InvalidArgumentError
from tridock.emulators.gcp.protocol.listing import camel
from tridock.emulators.gcp.protocol.payload import Violation

FOLDER = Path(__file__).parents[1] / "schemas"
#: Not "required" as the front end sees it: zero is a value here, and a handler judges it.
JUDGED = {"min_replica_count"}


@dataclass(frozen=True)
class Method:
    """One method of one interface.

    Attributes
    ----------
    name : str
        ``"EndpointService.DeployModel"``.
    request, response : str
        Full names of the message types.
    stream : bool
        Whether the answer comes in parts.
    service : str
        The gRPC service's full name.
    """

    name: str
    request: str
    response: str
    stream: bool
    service: str

    @property
    def rpc(self) -> str:
        """The method's path in gRPC."""
        return f"/{self.service}/{self.name.partition('.')[2]}"

    @property
    def is_update(self) -> bool:
        """True if it carries a whole resource of which only masked fields count."""
        return self.name.partition(".")[2].startswith("Update")


@dataclass(frozen=True)
class Binding:
    """REST path and verb of a method (google/api/http.proto).

    Attributes
    ----------
    verb : str
        HTTP method.
    path : re.Pattern
        Matches the whole path; groups are fields of the request, dots as ``__``.
    body : str
        Which field the body is; ``"*"`` for all, empty for none.
    name : str
        The method's name.
    """

    verb: str
    path: re.Pattern[str]
    body: str
    name: str


@dataclass(frozen=True)
class Schema:
    """All types and methods that the emulator knows.

    Attributes
    ----------
    methods : Mapping of str to Method
        Those with types, by name.
    bindings : list of Binding
        Routes of those.
    known : list of Binding
        Routes of methods that the real service has and the emulator has not.
    required : Mapping of str to list of str
        Required fields by message type.
    """

    methods: dict[str, Method] = field(default_factory=dict)
    bindings: list[Binding] = field(default_factory=list)
    known: list[Binding] = field(default_factory=list)
    required: dict[str, list[str]] = field(default_factory=dict)
    _pool: descriptor_pool.DescriptorPool = field(default_factory=descriptor_pool.DescriptorPool)

    @classmethod
    def load(cls) -> Schema:
        """Read every schema file: some 30 ms."""
        schema = cls()
        for path in sorted(FOLDER.glob("*.binpb")):
            schema._add(path, json.loads(path.with_suffix(".json").read_text()))
        return schema

    @cached_property
    def rpcs(self) -> Mapping[str, Method]:
        """The methods by their path in gRPC."""
        return {method.rpc: method for method in self.methods.values()}

    @cached_property
    def known_rpcs(self) -> frozenset[str]:
        """The names of all methods that are known and not emulated."""
        return frozenset(binding.name for binding in self.known)

    def message(self, name: str) -> type[Message]:
        """Return the class of the message type of this full name."""
        descriptor = self._pool.FindMessageTypeByName(name)
        class_: type[Message] = message_factory.GetMessageClass(descriptor)
        return class_

    def parse(self, name: str, data: Any) -> Message:
        """Make a message from JSON.

        Raises
        ------
        InvalidArgumentError
            If `data` does not fit, in Google's words.
        """
        class_ = self.message(name)
        payload.refuse(list(payload.check(class_.DESCRIPTOR, data)))
        try:
            return json_format.ParseDict(data, class_(), descriptor_pool=self._pool)
        except json_format.ParseError as error:
            raise InvalidArgumentError(f"Invalid JSON payload received. {error}") from error

    def lists(self, name: str, paths: Iterable[str]) -> Mapping[str, list[str]]:
        """Return those of the `paths` into a message that lead to a list, part by part."""
        lists = {}
        for path in paths:
            class_, field_ = self.message(name).DESCRIPTOR, None
            for part in path.split("."):
                field_ = class_ and payload.field_of(class_, part)
                class_ = field_ and field_.message_type
            if field_ and field_.is_repeated:
                lists[path] = [camel(part) for part in path.split(".")]
        return lists

    def build(self, name: str, data: Mapping[str, Any]) -> Message:
        """Make a message from an answer of ours."""
        return json_format.ParseDict(data, self.message(name)(), descriptor_pool=self._pool)

    def record(self, message: Message) -> dict[str, Any]:
        """Return a message as JSON."""
        record: dict[str, Any] = json_format.MessageToDict(message, descriptor_pool=self._pool)
        return record

    def check_required(self, method: Method, request: Message) -> None:
        """Refuse a request in which a required field is not set.

        Raises
        ------
        InvalidArgumentError
            As Vertex AI words it, with every field at once.
        """
        deep = not method.is_update
        missing = list(self._missing(request, "", deep=deep))
        if missing:
            listed = "\t".join(f"{n}.{words}" for n, words in enumerate(map(_worded, missing), 1))
            violations = [Violation(path, "Required field is not set.") for path in missing]
            details = [{"field": v.field, "description": v.words} for v in violations]
            raise InvalidArgumentError(
                f"List of found errors:\t{listed}\t",
                [{"@type": payload.BAD_REQUEST, "fieldViolations": details}],
            )

    def _missing(self, message: Message, path: str, *, deep: bool) -> Iterator[str]:
        for name in self.required.get(message.DESCRIPTOR.full_name, ()):
            field_ = message.DESCRIPTOR.fields_by_name[name]
            is_set = message.HasField(name) if field_.has_presence else getattr(message, name)
            if not is_set and name not in JUDGED and not (path and name == "name"):
                yield path + name
        if not deep:
            return
        for field_, value in message.ListFields():
            if not _is_ours(field_.message_type):
                continue
            if field_.is_repeated:
                for index, item in enumerate(value):
                    yield from self._missing(item, f"{path}{field_.name}[{index}].", deep=deep)
            else:
                yield from self._missing(value, f"{path}{field_.name}.", deep=deep)

    def _add(self, path: Path, record: Mapping[str, Any]) -> None:
        file = descriptor_pb2.FileDescriptorProto.FromString(path.read_bytes())
        for dependency in (*file.dependency, *COMMON):
            self._depend(dependency)
        self._pool.AddSerializedFile(path.read_bytes())
        self.required.update(record["required"])
        for entry in record["methods"]:
            service = f"{record['package']}.{entry['name'].partition('.')[0]}"
            types = entry["request"], entry["response"]
            self.methods[entry["name"]] = Method(entry["name"], *types, entry["stream"], service)
            self.bindings.extend(
                Binding(verb, pattern(uri), body, entry["name"])
                for verb, uri, body in entry["bindings"]
            )
        self.known.extend(Binding(verb, pattern(uri), "", n) for n, verb, uri in record["known"])

    def _depend(self, name: str) -> None:
        """Add a file that Google ships with protobuf, and first those that it needs."""
        module = importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
        for dependency in module.DESCRIPTOR.dependencies:
            self._depend(dependency.name)
        self._pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)


#: Files of types that answers use without a request naming them.
COMMON = (
    "google/longrunning/operations.proto",
    "google/api/httpbody.proto",
    "google/protobuf/empty.proto",
    "google/rpc/status.proto",
)


def pattern(uri: str) -> re.Pattern[str]:
    """Compile a path template (google/api/http.proto, "Path template syntax")."""
    parts = re.split(r"(\{[^}]+\})", uri)
    return re.compile("".join(_variable(p) if p[:1] == "{" else re.escape(p) for p in parts))


def _variable(part: str) -> str:
    name, _, template = part[1:-1].partition("=")
    template = template or "*"
    inner = re.escape(template).replace(r"\*\*", ".+").replace(r"\*", "[^/:]+")
    return f"(?P<{re.sub('[^a-zA-Z0-9_]', '__', name)}>{inner})"


def _is_ours(descriptor: Descriptor | None) -> bool:
    if descriptor is None or descriptor.GetOptions().map_entry:
        return False
    return not descriptor.full_name.startswith(payload.OWN_FORM)


def _worded(path: str) -> str:
    return f"Field: {path}; Message: Required field is not set."
