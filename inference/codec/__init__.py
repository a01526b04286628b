"""Bytes to rows and predictions to bytes, in each of the forms that callers use."""
