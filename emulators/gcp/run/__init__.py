"""CLOUD RUN: services, revisions and their requests."""
