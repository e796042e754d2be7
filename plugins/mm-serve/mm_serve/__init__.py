"""Models of mm behind an HTTP API."""
