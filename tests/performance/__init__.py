"""Benchmarks: tests that measure, as ratios within one run."""
