"""What `tests.forked` has imported before it forks: every command, and what the servers of the tests import late."""

from importlib import import_module

from gateway.cli import frame

for _module in (
    *(f"gateway.cli.{module}" for module, _line in frame._COMMANDS.values()),
    "gateway.http.server", "gateway.wiring", "tests.gateway.http.server_process", "tests.archimedfs.mount_runner",
    "tests.stores", "tests.trees",
):  # fmt: skip
    import_module(_module)
