"""The recipe: the fully resolved plan of a fit, as JSON, with the origin of every value."""
