"""boto3: ask an endpoint, as every tutorial does."""

import json

import boto3

runtime = boto3.client("sagemaker-runtime")
answer = runtime.invoke_endpoint(
    EndpointName="iris",
    ContentType="application/json",
    Body=json.dumps({"features": [5.1, 3.5, 1.4, 0.2]}),
)
print(json.loads(answer["Body"].read()))
