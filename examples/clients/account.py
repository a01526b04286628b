"""What the snippets beside this file expect of an account: a bucket, a role, and a model in S3.

On a real account Terraform or an administrator makes the first two, once.
`tridock emulators run aws -- python -m tridock.examples.clients.account build/iris/bundle`
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import boto3

from tridock.inference.bundle.bundle import Bundle

BUCKET = "tridock-models"
ROLE = "tridock"
MODEL_DATA = f"s3://{BUCKET}/iris/model.tar.gz"

#: SageMaker assumes the role to fetch the model (SageMaker Developer Guide, "SageMaker AI Roles").
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
POLICY = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"


def make_role() -> str:
    """Make the role unless it stands, and return its ARN."""
    iam = boto3.client("iam")
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=POLICY)
    return str(iam.get_role(RoleName=ROLE)["Role"]["Arn"])


def upload(bundle: Bundle) -> None:
    """Put the bundle where the snippets look for it, as SageMaker wants it: a tar.gz."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    with tempfile.TemporaryDirectory() as folder:
        archive = bundle.pack(Path(folder) / "model.tar.gz")
        s3.upload_file(str(archive), BUCKET, MODEL_DATA.split(f"{BUCKET}/")[1])


if __name__ == "__main__":
    print(f"role  {make_role()}")
    upload(Bundle.read(Path(sys.argv[1])))
    print(f"model {MODEL_DATA}")
