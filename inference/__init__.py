"""THE IMAGE: the scoring module, the HTTP app around it, and the bundle format."""
