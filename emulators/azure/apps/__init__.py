"""CONTAINER APPS AND CONTAINER INSTANCES: revisions, replicas, ingress, log streams."""
