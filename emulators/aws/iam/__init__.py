"""IAM: signatures, access keys, permissions and roles."""
