"""The built image, tested: `python -m tests.image` builds, checks and releases it everywhere."""
