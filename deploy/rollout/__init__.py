"""THE STORY of a release: plan, steps, judge, restore, history.

Imports config, models, waiting, target; prints nothing.
"""
