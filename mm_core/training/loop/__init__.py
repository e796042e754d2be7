"""The loop that trains a network; the only room that imports Lightning."""
