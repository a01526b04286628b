"""The image as a thing: built, measured, listed, and run."""
