"""AWS'S PROTOCOLS: operations, errors, validation and the HTTP server.

Imports no other room of this emulator.
"""
