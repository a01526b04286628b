"""THE PORT: the `Target` protocol, its records and errors, and the table of plugins.

Imports no other room of deploy.
"""
