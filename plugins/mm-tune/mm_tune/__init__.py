"""Search for settings, for mm."""
