"""What every fit needs, around the loop that trains networks."""
