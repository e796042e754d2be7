"""Settings compared on the same splits, models without some of their inputs."""
