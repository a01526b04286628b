"""GOOGLE'S PROTOCOLS: messages, operations, lists, masks and errors."""
