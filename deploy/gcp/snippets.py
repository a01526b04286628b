"""Calls to paste that reach an endpoint with ordinary clients."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

CURL = """\
curl -s -H "Authorization: Bearer $(gcloud auth application-default print-access-token)" \\
  -H 'Content-Type: application/json' -d {data} \\
  https://{host}/v1/{endpoint}:rawPredict"""

PYTHON = """\
from google.cloud import aiplatform
aiplatform.init(project={project!r}, location={location!r})
endpoint = aiplatform.Endpoint({endpoint!r})
answer = endpoint.raw_predict(body={body!r}, headers={{"Content-Type": "application/json"}})
print(answer.text)"""


RUN = """\
curl -s -H "Authorization: Bearer $(gcloud auth print-identity-token)" \\
  -H 'Content-Type: application/json' -d {data} \\
  {url}"""


def run_calls(url: str, body: bytes) -> Mapping[str, str]:
    """Return a call of a Cloud Run service by curl."""
    return {"curl": RUN.format(data=shlex.quote(body.decode()), url=url)}


def calls(endpoint: str, body: bytes, *, host: str) -> Mapping[str, str]:
    """Return a call by curl and one by google-cloud-aiplatform.

    Parameters
    ----------
    endpoint : str
        Its full resource name.
    host : str
        The regional host.
    """
    _, project, _, location, *_ = endpoint.split("/")
    return {
        "curl": CURL.format(data=shlex.quote(body.decode()), host=host, endpoint=endpoint),
        "google-cloud-aiplatform": PYTHON.format(
            project=project, location=location, endpoint=endpoint, body=body
        ),
    }
