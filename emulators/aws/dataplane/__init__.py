"""SAGEMAKER'S DATA PLANE: invocations, instances, capture and the metrics they give."""
