"""Recorded answers: what servers and commands say, before and after a change."""
