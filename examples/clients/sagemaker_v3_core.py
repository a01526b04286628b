"""The SageMaker Python SDK 3: the resource classes of sagemaker.core."""

import json

from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant

model = Model.create(
    model_name="iris-core",
    primary_container=ContainerDefinition(
        image="123456789012.dkr.ecr.us-east-1.amazonaws.com/tridock:latest",
        model_data_url="s3://tridock-models/iris/model.tar.gz",
    ),
    execution_role_arn="arn:aws:iam::123456789012:role/tridock",
)
variant = ProductionVariant(
    variant_name="AllTraffic",
    model_name="iris-core",
    initial_instance_count=1,
    instance_type="ml.m5.large",
)
config = EndpointConfig.create(endpoint_config_name="iris-core", production_variants=[variant])
endpoint = Endpoint.create(endpoint_name="iris-core", endpoint_config_name="iris-core")
endpoint.wait_for_status("InService", poll=1)

answer = endpoint.invoke(
    body=json.dumps({"features": [5.1, 3.5, 1.4, 0.2]}), content_type="application/json"
)
print(answer.body.read().decode())

endpoint.delete()
config.delete()
model.delete()
