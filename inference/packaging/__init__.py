"""PACKAGING: from a fitted model and a sample to a proven bundle.

Imports model, bundle, data, codec.
"""
