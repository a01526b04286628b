"""SCHEDULING: queues, threads and batches of requests. Imports model, data."""
