"""A client of an endpoint: unmodified boto3, asking once, or all the time."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

FEATURES = [5.1, 3.5, 1.4, 0.2]
SPECIES = "setosa"
#: Seconds between an answer and the next request: two cores serve the whole story.
PAUSE = 0.01


@dataclass(frozen=True)
class Answer:
    """What came back, and from which variant."""

    body: str
    variant: str

    @property
    def is_right(self) -> bool:
        """Whether it names the species of `FEATURES`."""
        return bool(json.loads(self.body) == {"prediction": SPECIES})


def ask(runtime: SageMakerRuntimeClient, endpoint: str) -> Answer:
    """Ask once."""
    answer = runtime.invoke_endpoint(
        EndpointName=endpoint,
        ContentType="application/json",
        Body=json.dumps({"features": FEATURES}),
    )
    return Answer(answer["Body"].read().decode(), answer["InvokedProductionVariant"])


class Client:
    """Keeps asking while its block runs, and counts; it never asks twice for one answer.

    Parameters
    ----------
    endpoint : str
        Whom to ask.

    Attributes
    ----------
    answers : Counter of str
        Right answers by variant.
    failures : list of str
        What went wrong, in words: an error, or a wrong answer.
    """

    def __init__(self, endpoint: str) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._endpoint = endpoint
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def sent(self) -> int:
        """How many requests were sent."""
        return self.answers.total() + len(self.failures)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        once = Config(retries={"total_max_attempts": 1})  # a retry would hide a failure
        runtime = boto3.client("sagemaker-runtime", config=once)
        while not self._ended.wait(PAUSE):
            try:
                answer = ask(runtime, self._endpoint)
            except (ClientError, BotoCoreError) as error:
                self.failures.append(str(error))
            else:
                self._count(answer)

    def _count(self, answer: Answer) -> None:
        if answer.is_right:
            self.answers[answer.variant] += 1
        else:
            self.failures.append(f"{answer.variant} answered {answer.body}")
