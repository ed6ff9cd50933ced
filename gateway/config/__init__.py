"""The one configuration file: what can stand in it, and reading it. Nothing here opens what it names."""

from gateway.config.model import Config
from gateway.config.reading import DEFAULT_FILE, load, read_secret

__all__ = ["DEFAULT_FILE", "Config", "load", "read_secret"]
