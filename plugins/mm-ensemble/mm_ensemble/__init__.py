"""Several models in one, for mm."""
