"""BATCH ENDPOINTS of Azure ML and their jobs."""
