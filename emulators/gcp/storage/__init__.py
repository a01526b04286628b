"""Cloud Storage: the part of its JSON interface that Google's client libraries use."""
