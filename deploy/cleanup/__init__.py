"""CLEANUP: resources that serve nothing and endpoints without requests, listed and deleted.

Imports rollout, waiting, target.
"""
