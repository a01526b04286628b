"""THE FRONTS: REST and gRPC servers, and the table of emulated methods.

Imports all the other rooms.
"""
