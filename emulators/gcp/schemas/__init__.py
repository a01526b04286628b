"""Google's own description of its methods and messages, pruned to what is emulated."""
