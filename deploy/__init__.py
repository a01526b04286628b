"""THE STORY of a release: from a bundle to an endpoint, on every target the same."""
