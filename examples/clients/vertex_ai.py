"""google-cloud-aiplatform: ask an endpoint, as every tutorial does."""

from google.cloud import aiplatform

aiplatform.init(project="tridock-local", location="us-central1")
endpoint = aiplatform.Endpoint("iris")
answer = endpoint.predict(instances=[[5.1, 3.5, 1.4, 0.2]])
print(answer.predictions)
