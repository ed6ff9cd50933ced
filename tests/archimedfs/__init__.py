"""The mounts: the translation by itself, and real mounts used by real programs."""
