"""APPLICATION AUTO SCALING of SageMaker variants."""
