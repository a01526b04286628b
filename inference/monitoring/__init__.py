"""MONITORING: counters, prediction statistics and the Prometheus text. Imports data."""
