"""CONFIGURATION: release.toml, environment, flags and Terraform outputs, read into frozen records.

Imports target.
"""
