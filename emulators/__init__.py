"""CLOUDS ON THIS MACHINE, written from the clouds' own API documents."""
