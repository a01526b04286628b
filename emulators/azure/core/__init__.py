"""THE CORE: resources, operations, blobs, identities and model servers that all services share."""
