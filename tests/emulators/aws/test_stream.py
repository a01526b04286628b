"""Streamed answers, read by botocore's own decoder."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from tests.emulators.aws.hosting import ROW
from tridock.emulators.aws.dataplane.stream import event


def test_the_parts_together_are_the_answer(runtime: Any, shared: str) -> None:
    answer = runtime.invoke_endpoint_with_response_stream(
        EndpointName=shared, Body=ROW, ContentType="text/csv", Accept="text/csv", TargetVariant="B"
    )
    parts = [part["PayloadPart"]["Bytes"] for part in answer["Body"]]
    assert b"".join(parts) == b"0\n"
    assert answer["InvokedProductionVariant"] == "B"
    assert answer["ContentType"].startswith("text/csv")


def test_a_containers_refusal_is_a_model_error(runtime: Any, shared: str) -> None:
    with pytest.raises(ClientError, match=r"Received client error \(400\)") as refused:
        runtime.invoke_endpoint_with_response_stream(
            EndpointName=shared, Body=b"1\n", ContentType="text/csv"
        )
    assert refused.value.response["Error"]["Code"] == "ModelError"


def test_an_unknown_endpoint_is_a_validation_error(runtime: Any) -> None:
    with pytest.raises(ClientError, match="Endpoint none of account 123456789012 not found"):
        runtime.invoke_endpoint_with_response_stream(EndpointName="none", Body=ROW)


@given(st.binary(max_size=2000), st.sampled_from(["PayloadPart", "Other"]))
def test_an_event_decodes_to_what_was_framed(payload: bytes, kind: str) -> None:
    buffer = EventStreamBuffer()
    framed = event(kind, payload)
    buffer.add_data(framed[:7])
    buffer.add_data(framed[7:] + event(kind, b"next"))
    decoded: list[Any] = list(buffer)
    first, second = decoded
    assert (first.payload, second.payload) == (payload, b"next")
    assert first.headers[":event-type"] == kind
    assert first.headers[":message-type"] == "event"
