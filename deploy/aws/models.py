"""The registry of models: a model package group for each model, a model package for each version.

Packages have no tags and no aliases: what we know of a version are its customer metadata
properties, and an alias is a tag of the group, ``tridock:alias:<alias>``, with the version as its
value. Source: "Register and Deploy Models with Model Registry", SageMaker developer guide.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from typing_extensions import override

from tridock.deploy.aws.errors import translated
from tridock.deploy.aws.store import Store
from tridock.deploy.target.errors import ConfigError, ConflictError, NotFoundError
from tridock.deploy.target.model_registry import (
    Approval,
    Models,
    ModelVersion,
    entry,
    find,
    refuse_other,
)
from tridock.inference.bundle.bundle import Bundle

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import DescribeModelPackageOutputTypeDef

#: Of a group: whose it is, and the beginning of its aliases.
MODEL, ALIAS = "tridock:model", "tridock:alias:"
_CONTENT = ["application/json", "text/csv", "application/jsonlines"]


@dataclass(frozen=True)
class SageMakerModels(Models):
    """The model registry of one account and region.

    Attributes
    ----------
    store : Store
        Of the bucket; registered bundles stand beside those of releases, and nothing purges them.
    image : str
        Of the containers that the console would deploy.
    """

    sagemaker: SageMakerClient
    store: Store
    image: str

    @override
    def names(self) -> Sequence[str]:
        pages = self.sagemaker.get_paginator("list_model_package_groups").paginate()
        with translated("sagemaker"):
            groups = [each for page in pages for each in page["ModelPackageGroupSummaryList"]]
        ours = [
            group["ModelPackageGroupName"]
            for group in groups
            if MODEL in self._tags(group["ModelPackageGroupArn"])
        ]
        return sorted(name for name in ours if self._arns(name))

    @override
    def versions(self, model: str) -> Sequence[ModelVersion]:
        # Of two packages of the same version the first one counts.
        group = self._group(model)
        if group is None:
            return ()
        aliases = {
            key.removeprefix(ALIAS): version
            for key, version in self._tags(group).items()
            if key.startswith(ALIAS)
        }
        versions: dict[str, ModelVersion] = {}
        for one in sorted(self._described(model), key=lambda one: int(one.number)):
            versions.setdefault(one.version, one)
        named = [replace(one, aliases=_of(one.version, aliases)) for one in versions.values()]
        return tuple(reversed(named))

    @override
    def register(self, bundle: Bundle) -> ModelVersion:
        if not self.image:
            raise ConfigError("a model package names an image: set image in [aws] of release.toml")
        self._make_group(bundle.name)
        registered = self._standing(bundle)
        if registered is None:
            artifact = self.store.keep(bundle)
            self._make_package(entry(bundle, artifact))
            registered = self._standing(bundle)
        if registered is None:
            raise NotFoundError(f"{bundle.name} {bundle.version} was registered and is not shown")
        refuse_other(registered, bundle)
        return registered

    @override
    def approve(self, model: str, version: str, approval: Approval, reason: str) -> None:
        registered = self._find(model, version)
        with translated("sagemaker"):
            self.sagemaker.update_model_package(
                ModelPackageArn=f"{self._package(model)}/{registered.number}",
                ModelApprovalStatus=STATUSES[approval],  # type: ignore[arg-type]
                ApprovalDescription=reason,
            )

    @override
    def alias(self, model: str, alias: str, version: str) -> None:
        """One call overwrites the tag."""
        self._find(model, version)
        with translated("sagemaker"):
            self.sagemaker.add_tags(
                ResourceArn=self._demand_group(model),
                Tags=[{"Key": f"{ALIAS}{alias}", "Value": version}],
            )

    @override
    def fetch(self, registered: ModelVersion, folder: Path) -> None:
        key = urlsplit(registered.artifact).path.lstrip("/")
        with tempfile.TemporaryDirectory() as scratch:
            archive = Path(scratch) / "model.tar.gz"
            self.store.download(key, archive)
            Bundle.unpack(archive, folder)

    def _standing(self, bundle: Bundle) -> ModelVersion | None:
        versions = {version.version: version for version in self.versions(bundle.name)}
        return versions.get(bundle.version)

    def _find(self, model: str, version: str) -> ModelVersion:
        return find(self.versions(model), model, version, of="SageMaker's registry")

    def _group(self, model: str) -> str | None:
        """Return the ARN of a model's group; None if there is none, or it is not ours."""
        with suppress(NotFoundError), translated("sagemaker"):
            response = self.sagemaker.describe_model_package_group(ModelPackageGroupName=model)
            arn = response["ModelPackageGroupArn"]
            return arn if MODEL in self._tags(arn) else None
        return None

    def _demand_group(self, model: str) -> str:
        group = self._group(model)
        if group is None:
            raise ConflictError(
                f"the model package group {model} is not ours: it has no tag {MODEL!r}. Package "
                "the model under another name, or give the group that tag"
            )
        return group

    def _package(self, model: str) -> str:
        """Return the ARN of a model's packages without their number."""
        return self._demand_group(model).replace(":model-package-group/", ":model-package/")

    def _make_group(self, model: str) -> None:
        if self._group(model) is None:
            with suppress(ConflictError), translated("sagemaker"):  # by another, meanwhile
                self.sagemaker.create_model_package_group(
                    ModelPackageGroupName=model, Tags=[{"Key": MODEL, "Value": model}]
                )
            self._demand_group(model)

    def _make_package(self, one: ModelVersion) -> None:
        container: Any = {"Image": self.image, "ModelDataUrl": one.artifact}
        lineage: Any = {"MetadataProperties": {"CommitId": one.source}} if one.source else {}
        with translated("sagemaker"):
            self.sagemaker.create_model_package(
                ModelPackageGroupName=one.model,
                ModelPackageDescription=f"{one.model} {one.version}",
                InferenceSpecification={
                    "Containers": [container],
                    "SupportedContentTypes": _CONTENT,
                    "SupportedResponseMIMETypes": _CONTENT,
                },
                ModelApprovalStatus="PendingManualApproval",
                CustomerMetadataProperties=properties(one),
                ClientToken=one.digest[:32],  # the same again, its answer lost, is the same one
                **lineage,
            )

    def _described(self, model: str) -> Iterator[ModelVersion]:
        """Yield the versions of a group, without those that are not ours."""
        for arn in self._arns(model):
            with translated("sagemaker"):
                response = self.sagemaker.describe_model_package(ModelPackageName=arn)
            described = version(model, response)
            if described:
                yield described

    def _arns(self, model: str) -> Sequence[str]:
        pages = self.sagemaker.get_paginator("list_model_packages")
        with translated("sagemaker"):
            response = list(pages.paginate(ModelPackageGroupName=model))
        return [
            each["ModelPackageArn"] for page in response for each in page["ModelPackageSummaryList"]
        ]

    def _tags(self, arn: str) -> Mapping[str, str]:
        pages = self.sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
        with translated("sagemaker"):
            return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}


def _of(version: str, aliases: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(alias for alias, at in aliases.items() if at == version))


# Versions as customer metadata properties of model packages, and back.

#: Of a version: properties with text, by our name, and the beginning of its metrics.
VERSION, DIGEST = "tridock:version", "tridock:digest"
DATA, SOURCE = "tridock:data", "tridock:source"
METRIC = "tridock:metric:"
#: A version has 50 properties, and may have some of its owner's.
METRICS = 40
STATUSES = {
    Approval.PENDING: "PendingManualApproval",
    Approval.APPROVED: "Approved",
    Approval.REJECTED: "Rejected",
}
_APPROVALS = {status: approval for approval, status in STATUSES.items()}


def properties(one: ModelVersion) -> dict[str, str]:
    """Return a version as properties; of more metrics than there is room for, the first."""
    texts = {VERSION: one.version, DIGEST: one.digest, DATA: one.data, SOURCE: one.source}
    metrics = {_quoted(name): repr(one.metrics[name]) for name in sorted(one.metrics)[:METRICS]}
    return {key: value[:256] for key, value in {**texts, **metrics}.items() if value}


def version(model: str, response: DescribeModelPackageOutputTypeDef) -> ModelVersion | None:
    """Return a described package as our record; None if it is not ours."""
    kept = response.get("CustomerMetadataProperties", {})
    if VERSION not in kept:
        return None
    return ModelVersion(
        model,
        kept[VERSION],
        kept.get(DIGEST, ""),
        artifact=response["InferenceSpecification"]["Containers"][0].get("ModelDataUrl", ""),
        number=str(response["ModelPackageVersion"]),
        approval=_APPROVALS[response.get("ModelApprovalStatus", "PendingManualApproval")],
        reason=response.get("ApprovalDescription", ""),
        metrics={_name(key): float(kept[key]) for key in kept if key.startswith(METRIC)},
        data=kept.get(DATA, ""),
        source=kept.get(SOURCE, ""),
        created=response["CreationTime"],
    )


def _quoted(metric: str) -> str:
    """Return the property of a metric: escaped as in an address, by ``=`` and not by ``%``."""
    return METRIC + quote(metric, safe=" /:@").replace("~", "%7E").replace("%", "=")


def _name(key: str) -> str:
    return unquote(key.removeprefix(METRIC).replace("=", "%"))
