"""THE BUNDLE: manifest, files and digests, and the download from a cloud's storage.

Imports data.
"""
