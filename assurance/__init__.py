"""IS IT GOOD ENOUGH? Pure functions from evidence to verdicts."""
