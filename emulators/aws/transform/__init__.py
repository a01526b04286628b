"""BATCH TRANSFORM: jobs that run model servers over the objects of S3."""
