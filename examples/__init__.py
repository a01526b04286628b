"""MODELS A NEWCOMER RECOGNISES, from data to bundle, and how clients ask them."""
