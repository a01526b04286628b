"""The SageMaker Python SDK 2: Model, deploy, Predictor."""

from sagemaker.deserializers import JSONDeserializer
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer

model = Model(
    image_uri="123456789012.dkr.ecr.us-east-1.amazonaws.com/tridock:latest",
    model_data="s3://tridock-models/iris/model.tar.gz",
    role="arn:aws:iam::123456789012:role/tridock",
    predictor_cls=Predictor,
)
predictor = model.deploy(
    initial_instance_count=1,
    instance_type="ml.m5.large",
    endpoint_name="iris-v2",
    serializer=JSONSerializer(),
    deserializer=JSONDeserializer(),
)

print(predictor.predict([[5.1, 3.5, 1.4, 0.2]]))

predictor.delete_endpoint()
model.delete_model()
