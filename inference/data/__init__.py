"""DATA: the signature of a model, and values checked against it.

Imports no other room of inference.
"""
