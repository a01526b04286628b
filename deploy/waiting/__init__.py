"""WAITING: polls, retries and locks, the same for all clouds. Imports target."""
