"""AZURE MONITOR: metrics and autoscale settings."""
