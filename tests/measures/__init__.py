"""Measures of the code: sizes, imports, files that a request touches, words."""
