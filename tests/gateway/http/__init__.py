"""The HTTP door, on the real server."""
