"""``mm demo``: two real tasks from end to end, with an honest table of scores."""
