"""The command line `archimed`: the archive's face on the machine itself.

A command reads its arguments, calls one service or view, and prints. What it may not do, the service refuses.
"""

from gateway.cli.frame import main

__all__ = ["main"]
