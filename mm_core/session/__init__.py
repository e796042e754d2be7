"""What a predictor does, by what it does: follow a recipe, keep a folder, answer rows."""
