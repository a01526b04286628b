"""Batch prediction: files in, files out, in constant memory, resumable at any moment."""
