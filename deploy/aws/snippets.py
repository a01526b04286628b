"""Calls to paste that reach an endpoint with ordinary clients."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

CURL = """\
curl -s --aws-sigv4 "aws:amz:{region}:sagemaker" \\
  --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \\
  ${{AWS_SESSION_TOKEN:+-H "X-Amz-Security-Token: $AWS_SESSION_TOKEN"}} \\
  -H 'Content-Type: application/json' -d {data} \\
  {url}/endpoints/{endpoint}/invocations"""

PYTHON = """\
import boto3
runtime = boto3.client("sagemaker-runtime", region_name={region!r})
answer = runtime.invoke_endpoint(
    EndpointName={endpoint!r}, ContentType="application/json", Body={body!r}
)
print(answer["Body"].read().decode())"""


def calls(endpoint: str, body: bytes, *, region: str, url: str) -> Mapping[str, str]:
    """Return a call by curl, which signs requests since its version 7.75, and one by boto3.

    Parameters
    ----------
    url : str
        Of the service's data plane.
    """
    data = shlex.quote(body.decode())
    return {
        "curl": CURL.format(region=region, data=data, url=url, endpoint=endpoint),
        "boto3": PYTHON.format(region=region, endpoint=endpoint, body=body),
    }
