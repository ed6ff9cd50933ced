"""The command line as the demo's people type it: the same commands, run in this process."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import click


class Operator:
    """Types `archimed` commands for one configuration. `cli`: the command line."""

    def __init__(self, cli: click.Command, config: Path) -> None:
        self._cli = cli
        self._config = str(config)

    def run(self, *arguments: str) -> str:
        """Run a command and return what it prints.

        Raises:
            ArchimedError: it is refused or fails.
        """
        return self.raw(*arguments).decode()

    def raw(self, *arguments: str) -> bytes:
        """Run a command and return the bytes it writes.

        Raises:
            ArchimedError: it is refused or fails.
        """
        written = io.BytesIO()
        with io.TextIOWrapper(written, encoding="utf-8", write_through=True) as stream, contextlib.redirect_stdout(stream):
            self._cli.main(["--config", self._config, *arguments], prog_name="archimed", standalone_mode=False)
            stream.flush()
            return written.getvalue()

    def json(self, *arguments: str) -> Any:
        """Run a command with `--json` and return what it prints.

        Raises:
            ArchimedError: it is refused or fails.
        """
        return json.loads(self.run(*arguments, "--json"))
