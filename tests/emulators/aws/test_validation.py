"""Requests held to botocore's model of SageMaker."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tridock.emulators.aws.protocol.errors import ValidationError
from tridock.emulators.aws.protocol.validation import (
    SerializationError,
    check_body,
    describe_headers,
)


def variant(**change: Any) -> dict[str, Any]:
    sound = {
        "VariantName": "v",
        "ModelName": "m",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    return sound | change


def refusal(operation: str, **values: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        check_body("sagemaker", operation, json.dumps(values).encode())
    return str(refused.value.message)


def test_a_sound_request_passes_with_members_nobody_knows() -> None:
    body = {"EndpointConfigName": "ok", "ProductionVariants": [variant()], "Unknown": [{}]}
    check_body("sagemaker", "CreateEndpointConfig", json.dumps(body).encode())


def test_an_operation_that_does_not_exist_is_left_to_others() -> None:
    check_body("sagemaker", "CreateNonsense", b"{}")


def test_a_pattern_is_quoted_with_its_path() -> None:
    said = refusal(
        "CreateEndpointConfig",
        EndpointConfigName="ok",
        ProductionVariants=[variant(ModelName="ENTER MODEL NAME")],
    )
    assert said == (
        "1 validation error detected: Value 'ENTER MODEL NAME' at "
        "'productionVariants.1.member.modelName' failed to satisfy constraint: Member must "
        r"satisfy regular expression pattern: ^[a-zA-Z0-9]([\-a-zA-Z0-9]*[a-zA-Z0-9])?"
    )


@pytest.mark.parametrize(
    ("operation", "values", "words"),
    [
        ("CreateEndpoint", {"EndpointName": "e"}, "Value null at 'endpointConfigName' failed"),
        (
            "CreateEndpointConfig",
            {"EndpointConfigName": "e", "ProductionVariants": []},
            "'productionVariants' failed to satisfy constraint: Member must have length greater "
            "than or equal to 1",
        ),
        (
            "CreateEndpointConfig",
            {
                "EndpointConfigName": "e",
                "ProductionVariants": [variant(), variant(InitialInstanceCount=0)],
            },
            "Value '0' at 'productionVariants.2.member.initialInstanceCount' failed to satisfy "
            "constraint: Member must have value greater than or equal to 1",
        ),
        (
            "CreateEndpointConfig",
            {"EndpointConfigName": "e", "ProductionVariants": [variant(InstanceType="ml.none")]},
            "Member must satisfy enum value set: [ml.t2.medium",
        ),
        (
            "DescribeModel",
            {"ModelName": "m" * 64},
            "Member must have length less than or equal to 63",
        ),
    ],
)
def test_each_constraint_has_its_words(operation: str, values: dict[str, Any], words: str) -> None:
    assert words in refusal(operation, **values)


def test_every_violation_is_counted_and_told() -> None:
    said = refusal("CreateEndpoint", EndpointName="bad_name", EndpointConfigName="worse name")
    assert said.startswith("2 validation errors detected: ")
    assert said.count("failed to satisfy constraint") == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "Unexpected token"),
        (b'{"ModelName": 5}', "NUMBER_VALUE can not be converted to a String"),
        (b'{"ModelName": ["m"]}', "Start of structure or map found where not expected."),
        (b"[]", "Start of structure or map found where not expected."),
        (b'"text"', "Unexpected field type"),
    ],
)
def test_another_kind_of_value_is_a_serialization_exception(body: bytes, words: str) -> None:
    with pytest.raises(SerializationError, match=words) as refused:
        check_body("sagemaker", "DescribeModel", body)
    assert refused.value.code == "SerializationException"


def test_truth_is_no_number() -> None:
    body = b'{"MaxResults": true}'
    with pytest.raises(SerializationError, match="TRUE_VALUE can not be converted to a Integer"):
        check_body("sagemaker", "ListModels", body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["EndpointConfigName", "ProductionVariants", "VariantName", "Tags", "Key", "X"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_whatever_json_comes_is_answered_in_words(value: Any) -> None:
    with suppress(SerializationError, ValidationError):
        check_body("sagemaker", "CreateEndpointConfig", json.dumps(value).encode())
        pytest.fail(f"{value!r} has no sound production variant")


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, ""),
        ({"x-amzn-sagemaker-inference-id": "mine"}, ""),
        ({"x-amzn-sagemaker-inference-id": "x" * 65}, "Value 'x+' at 'inferenceId'"),
        ({"x-amzn-sagemaker-custom-attributes": "é"}, "at 'customAttributes'"),
        ({"x-amzn-sagemaker-target-variant": "a b"}, "at 'targetVariant'"),
    ],
)
def test_headers_of_the_runtime_are_checked_too(headers: dict[str, str], words: str) -> None:

    said = describe_headers("sagemaker-runtime", "InvokeEndpoint", headers)
    assert re.search(words, said) if words else said == ""


def test_numbers_in_headers_have_their_range() -> None:
    said = describe_headers(
        "sagemaker-runtime",
        "InvokeEndpointAsync",
        {"x-amzn-sagemaker-invocationtimeoutseconds": "3601"},
    )
    assert "Member must have value less than or equal to 3600" in said


@pytest.mark.parametrize("seconds", ["abc", "1e3", "²", "--5", "9" * 5000])
def test_a_header_whose_number_is_none_is_refused(seconds: str) -> None:
    headers = {"x-amzn-sagemaker-invocationtimeoutseconds": seconds}
    with pytest.raises(SerializationError, match="STRING_VALUE can not be converted to a Integer"):
        describe_headers("sagemaker-runtime", "InvokeEndpointAsync", headers)
