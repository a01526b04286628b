"""An upload to S3 and a deployment to SageMaker, by boto3."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.emulators.aws.hosting import IMAGE, ROLE
from tests.emulators.kills.workload import Fact, Note

BUCKET, NAME = "models", "iris"
#: Content of the objects beside the model: small ones, and one that takes a while to write.
OBJECTS = {f"notes/{number}": b"note %d" % number for number in range(5)}
OBJECTS["data/large"] = bytes(range(256)) * 40_000
#: Real seconds for the model server to answer.
PATIENCE = 180.0
ROW = b"5.1,3.5,1.4,0.2\n"


@dataclass(frozen=True)
class Deployment:
    """The clients of one run."""

    s3: Any
    sagemaker: Any
    runtime: Any
    archive: bytes

    @classmethod
    def open(cls, environment: Mapping[str, str], bundle: Path) -> Deployment:
        """Make the clients; nothing is retried, so that an answer is an answer."""
        session = boto3.Session(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_REGION"],
        )
        once = Config(retries={"total_max_attempts": 1}, read_timeout=60)
        url = environment["AWS_ENDPOINT_URL"]
        return cls(
            session.client("s3", endpoint_url=url, config=once),
            session.client("sagemaker", endpoint_url=url, config=once),
            session.client("sagemaker-runtime", endpoint_url=url, config=once),
            bundle.with_suffix(".tar.gz").read_bytes(),
        )

    @property
    def right_answer(self) -> str:
        """See `Workload.right_answer`."""
        return "0"

    def run(self, note: Note) -> None:
        """See `Workload.run`."""
        _unless_made(lambda: self.s3.create_bucket(Bucket=BUCKET))
        note(Fact("bucket", BUCKET, "yes"))
        deleted = "notes/0"
        note(Fact("object", deleted, None))
        for name, data in {**OBJECTS, "model.tar.gz": self.archive}.items():
            self.s3.put_object(Bucket=BUCKET, Key=name, Body=data)
            note(Fact("object", name, _digest(data)))
        note(Fact("object", deleted, None))
        self.s3.delete_object(Bucket=BUCKET, Key=deleted)
        note(Fact("object", deleted, ""))
        self._deploy(note)

    def find(self, fact: Fact) -> str:
        """See `Workload.find`."""
        try:
            if fact.kind == "object":
                found = self.s3.get_object(Bucket=BUCKET, Key=fact.name)
                return _digest(found["Body"].read())
            return str(self._find(fact))
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket", "404"):
                return ""
            return str(error)

    def answer(self) -> str:
        """See `Workload.answer`."""
        answer = self.runtime.invoke_endpoint(EndpointName=NAME, Body=ROW, ContentType="text/csv")
        return str(answer["Body"].read().decode().strip())

    def _deploy(self, note: Note) -> None:
        container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz"}
        _unless_made(
            lambda: self.sagemaker.create_model(
                ModelName=NAME, ExecutionRoleArn=ROLE, PrimaryContainer=container
            )
        )
        note(Fact("model", NAME, container["ModelDataUrl"]))
        variant = {"VariantName": "A", "ModelName": NAME, "InstanceType": "ml.m5.large"}
        _unless_made(
            lambda: self.sagemaker.create_endpoint_config(
                EndpointConfigName=NAME, ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
            )
        )
        note(Fact("config", NAME, NAME))
        _unless_made(
            lambda: self.sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
        )
        note(Fact("endpoint", NAME, NAME))
        self._wait()
        note(Fact("answer", NAME, self.right_answer))

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        status = ""
        while time.monotonic() < deadline:
            found = self.sagemaker.describe_endpoint(EndpointName=NAME)
            status = found["EndpointStatus"]
            if status == "InService":
                return
            if status == "Failed":
                raise AssertionError(found["FailureReason"])
            time.sleep(0.05)
        raise AssertionError(f"the endpoint is {status} after {PATIENCE} s")

    def _find(self, fact: Fact) -> str:
        if fact.kind == "bucket":
            names = [bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]]
            return "yes" if fact.name in names else ""
        if fact.kind == "model":
            model = self.sagemaker.describe_model(ModelName=fact.name)
            return str(model["PrimaryContainer"]["ModelDataUrl"])
        if fact.kind == "config":
            config = self.sagemaker.describe_endpoint_config(EndpointConfigName=fact.name)
            return str(config["ProductionVariants"][0]["ModelName"])
        if fact.kind == "endpoint":
            return str(
                self.sagemaker.describe_endpoint(EndpointName=fact.name)["EndpointConfigName"]
            )
        self._wait()
        return self.answer()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _unless_made(make: Any) -> None:
    """Make what an earlier run may have made."""
    try:
        make()
    except ClientError as error:
        said = str(error)
        if "already exist" not in said and "BucketAlready" not in said:
            raise
