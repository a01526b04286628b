"""What a model package tells of a version: its customer metadata properties, and the way back.

A property has letters, digits, blanks and ``_.:/=+-@``, and at most 256 of them
("CreateModelPackage", API reference).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from tridock.deploy.target.model_registry import Approval, ModelVersion

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import DescribeModelPackageOutputTypeDef

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


def version(model: str, told: DescribeModelPackageOutputTypeDef) -> ModelVersion | None:
    """Return a described package as our record; None if it is not ours."""
    found = told.get("CustomerMetadataProperties", {})
    if VERSION not in found:
        return None
    return ModelVersion(
        model,
        found[VERSION],
        found.get(DIGEST, ""),
        artifact=told["InferenceSpecification"]["Containers"][0].get("ModelDataUrl", ""),
        number=str(told["ModelPackageVersion"]),
        approval=_APPROVALS[told.get("ModelApprovalStatus", "PendingManualApproval")],
        reason=told.get("ApprovalDescription", ""),
        metrics={_name(key): float(found[key]) for key in found if key.startswith(METRIC)},
        data=found.get(DATA, ""),
        source=found.get(SOURCE, ""),
        created=told["CreationTime"],
    )


def _quoted(metric: str) -> str:
    """Return the property of a metric: escaped as in an address, by ``=`` and not by ``%``."""
    return METRIC + quote(metric, safe=" /:@").replace("~", "%7E").replace("%", "=")


def _name(key: str) -> str:
    return unquote(key.removeprefix(METRIC).replace("=", "%"))
