"""The SageMaker Python SDK 3: ModelBuilder deploys, the endpoint answers."""

import json

from sagemaker.serve import ModelBuilder

builder = ModelBuilder(
    image_uri="123456789012.dkr.ecr.us-east-1.amazonaws.com/tridock:latest",
    s3_model_data_url="s3://tridock-models/iris/model.tar.gz",
    role_arn="arn:aws:iam::123456789012:role/tridock",
    instance_type="ml.m5.large",
)
model = builder.build(model_name="iris-builder")
endpoint = builder.deploy(endpoint_name="iris-builder", initial_instance_count=1)

answer = endpoint.invoke(
    body=json.dumps({"features": [5.1, 3.5, 1.4, 0.2]}), content_type="application/json"
)
print(answer.body.read().decode())

endpoint.delete()
model.delete()
