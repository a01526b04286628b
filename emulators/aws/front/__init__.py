"""THE HTTP FRONT: each request goes to the data plane, the controls or moto.

Imports all the other rooms.
"""
