"""AUTHENTICATION: tokens, OAuth endpoints and the check of each request."""
