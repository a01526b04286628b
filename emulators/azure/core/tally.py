"""Counts of one request, by the dimensions of Azure Monitor."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tridock.emulators.azure.core.measurements import Measurements, Series
from tridock.emulators.azure.core.resource import Resource, ResourceId
from tridock.emulators.azure.http.call import Answer

#: Header of an answer with the model's own status where that was no success.
MODEL_STATUS = "ms-azureml-model-error-statuscode"


@dataclass(frozen=True)
class Tally:
    """Counts requests as they are answered.

    Attributes
    ----------
    measurements : Measurements
        Where they are kept.
    """

    measurements: Measurements

    def asked(self, deployment: Resource, answer: Answer, began: float) -> None:
        """Count a client's request, of the endpoint and of the deployment that answered it.

        Parameters
        ----------
        began : float
            `time.perf_counter` when it came.
        """
        status = str(answer.status)
        series = Series.of(
            deployment.id.parent.key,
            deployment=deployment.id.name,
            statusCode=status,
            statusCodeClass=_class(status),
            modelStatusCode=_model_status(answer),
        )
        self.measurements.add(series, _since(began))
        self.copied(deployment, answer, began)

    def copied(self, deployment: Resource, answer: Answer, began: float) -> None:
        """Count what reached a deployment; a mirrored copy is no request to the endpoint.

        Which status the deployment's proxy sees is no document's word: the model's, if it gave one.
        """
        code = _model_status(answer) or str(answer.status)
        series = Series.of(deployment.id.key, envoy_response_code=code)
        self.measurements.add(series, _since(began))

    def passed(self, revision: ResourceId, answer: Answer, began: float) -> None:
        """Count a request to a container app; replicas are not distinguished."""
        status = str(answer.status)
        series = Series.of(
            revision.parent.key,
            revisionName=revision.name,
            statusCodeCategory=_class(status),
            statusCode=status,
        )
        self.measurements.add(series, _since(began))


def _model_status(answer: Answer) -> str:
    """Return the model's own status; empty where the service answered in its place."""
    return answer.headers.get(MODEL_STATUS) or ("200" if answer.status == 200 else "")


def _class(status: str) -> str:
    return f"{status[:1]}xx"


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
