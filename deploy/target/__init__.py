"""THE PORTS of a target, their records and errors, and the table of plugins.

Imports no other room of deploy.
"""
