"""VERTEX AI: models, endpoints, deployments, predictions and batch predictions."""
