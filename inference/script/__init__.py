"""USER SCRIPTS: `score.py` with init() and run(), checked and called by Azure ML's contract."""
