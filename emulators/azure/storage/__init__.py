"""BLOB STORAGE as clients reach it over HTTP."""
