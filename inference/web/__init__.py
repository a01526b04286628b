"""HTTP: routes, protocols, errors and the fast path.

The only room of inference that knows HTTP statuses.
"""
