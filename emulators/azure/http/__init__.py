"""HTTP CALLS: requests, answers, host names and errors of Resource Manager.

Imports no other room of this emulator.
"""
