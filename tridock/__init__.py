"""Package a model once and release it to SageMaker, Vertex AI and Azure ML.

Each room is a package of its own below this name. Nothing is imported here.
"""
