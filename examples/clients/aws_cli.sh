#!/bin/sh
# The aws command line: create an endpoint, ask it, delete it. Nothing here knows of an emulator.
set -eu
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

aws sagemaker create-model --model-name iris-cli \
    --primary-container Image=123456789012.dkr.ecr.us-east-1.amazonaws.com/tridock:latest,ModelDataUrl=s3://tridock-models/iris/model.tar.gz \
    --execution-role-arn arn:aws:iam::123456789012:role/tridock
aws sagemaker create-endpoint-config --endpoint-config-name iris-cli \
    --production-variants VariantName=AllTraffic,ModelName=iris-cli,InstanceType=ml.m5.large,InitialInstanceCount=1
aws sagemaker create-endpoint --endpoint-name iris-cli --endpoint-config-name iris-cli
aws sagemaker wait endpoint-in-service --endpoint-name iris-cli
aws sagemaker describe-endpoint --endpoint-name iris-cli --query EndpointStatus --output text

echo '{"features": [5.1, 3.5, 1.4, 0.2]}' > "$folder/request.json"
aws sagemaker-runtime invoke-endpoint --endpoint-name iris-cli \
    --content-type application/json --body "fileb://$folder/request.json" "$folder/answer.json"
cat "$folder/answer.json"
echo

aws sagemaker delete-endpoint --endpoint-name iris-cli
aws sagemaker delete-endpoint-config --endpoint-config-name iris-cli
aws sagemaker delete-model --model-name iris-cli
