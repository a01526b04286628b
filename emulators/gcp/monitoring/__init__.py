"""CLOUD MONITORING: filters, alignment and time series."""
