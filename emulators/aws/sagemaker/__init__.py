"""SAGEMAKER'S CONTROL PLANE: models, endpoint configurations, endpoints, model registry."""
