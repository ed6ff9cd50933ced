"""The frame of the command line: its commands by name, global options, and what each failure looks like to its user.

Commands are imported when they are called: listing a folder must not wait for a DICOM library. So this module imports little.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click
from click.shell_completion import shell_complete

from catalog.pure.errors import ArchimedError, ConfigError

FAILED = 1
INTERRUPTED = 130
BROKEN_PIPE = 141
_DEBUG = "ARCHIMED_DEBUG"

# Name of the command -> its module below gateway.cli, and the line it has in `archimed --help`.
_COMMANDS = {
    "init": ("init", "Create or upgrade the catalogue, its folders and the key."),
    "config": ("config", "Check the configuration."),
    "study": ("study", "Create, change, close and look at studies."),
    "user": ("user", "Add, change and remove users."),
    "grant": ("grant", "Say who may see which study."),
    "centre": ("centre", "Name the centres of a study, and say what belongs to each."),
    "source": ("source", "Name the scanners and centres that may send."),
    "node": ("node", "Name the DICOM nodes that may query and retrieve, or be sent to."),
    "token": ("token", "Make and revoke passwords for WebDAV."),
    "staging": ("staging", "Look at what waits at the gate and decide on it."),
    "result": ("result", "Bring back what a program made of archived series."),
    "correct": ("correct", "Correct names and places of what is archived."),
    "bin": ("bin", "Take files out of the archive, bring them back, delete them for good."),
    "hold": ("hold", "Keep a study from being purged."),
    "ls": ("tree", "List a folder of the archive."),
    "stat": ("tree", "Show what is known of one place in the archive."),
    "cat": ("tree", "Write an archived file's bytes to standard output."),
    "query": ("query", "Find series and files by their metadata."),
    "send": ("send", "Send DICOM files of the archive to a node."),
    "route": ("route", "Have what is published sent to a node by itself."),
    "stats": ("stats", "Count what the archive holds."),
    "remote": ("remote", "Do the same on an archive elsewhere, over HTTP."),
    "mount": ("mount", "Mount the archive as a read-only folder."),
    "mount-staging": ("mount_staging", "Mount the folder to bring files into."),
    "serve": ("serve", "Serve WebDAV, receive DICOM, check and publish."),
    "job": ("job", "Look at the work that waits, runs and failed."),
    "rebuild": ("rebuild", "Make a catalogue that was lost anew from the store."),
    "verify": ("verify", "Compare every object of the store with its digest and with the catalogue."),
    "repair": ("verify", "Put good copies in the place of damaged objects."),
    "backup": ("backup", "Make a backup while everything runs, and verify one."),
    "restore": ("restore", "Bring an archive back from a backup."),
    "doctor": ("doctor", "Look this machine over and say what to mend."),
    "demo": ("demo", "Show the whole appliance at work in a folder of its own."),
    "deid": ("deid", "De-identify files, without an archive."),
    "profile": ("profile", "Check and show de-identification profiles."),
    "audit": ("audit", "List who did what."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of a day's work."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command's module and return the command of that name in it."""
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"gateway.cli.{_COMMANDS[cmd_name][0]}")
        return next(found for found in vars(module).values() if isinstance(found, click.Command) and found.name == cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version  # late: it takes as long as all of this module

        click.echo(f"archimed {version('archimed')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config", "config_file", type=Path, metavar="FILE",
    help="The configuration; else $ARCHIMED_CONFIG, else /etc/archimed/archimed.toml.",
)  # fmt: skip
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version.")
@click.pass_context
def cli(ctx: click.Context, config_file: Path | None) -> None:
    """Read and look after an ArchiMed archive.

    \b
    Example:
      archimed ls 2008-0003/E001 --as ada
    """
    ctx.obj = config_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 refused or failed, 2 usage, 130 interrupted.

    Whatever goes wrong, the user gets one line on stderr, never a traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks is shown escaped instead of ending the listing.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # both are text streams of the interpreter
    try:
        status = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe has seen enough. Nothing may be flushed into it at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return status


def _run(arguments: list[str]) -> int:
    completion = os.environ.get("_ARCHIMED_COMPLETE")
    if completion:
        return shell_complete(cli, {}, "archimed", "_ARCHIMED_COMPLETE", completion)
    try:
        with cli.make_context("archimed", arguments) as ctx:
            cli.invoke(ctx)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.UsageError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _fail(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except ConfigError as error:
        more = len(error.problems) - 1
        return _fail(error.problems[0] + (f" (and {more} more: see `archimed config check`)" if more else ""))
    except ArchimedError as error:
        return _fail(str(error))
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the last door: no traceback reaches a user
        return _fail(_unexpected(error))
    return 0


def _fail(text: str) -> int:
    line = "".join(c if c.isprintable() else " " for c in text)
    click.echo(f"archimed: {line}", err=True)
    return FAILED


def _unexpected(error: Exception) -> str:
    """Return the line for an error nobody foresaw: where, not what. Its text may hold a value of somebody's file."""
    from catalog.faults import place_of  # late: needed once in a blue moon

    if os.environ.get(_DEBUG):
        return f"unexpected error: {place_of(error)}"
    return f"unexpected error ({type(error).__name__}); run it again with {_DEBUG}=1 and report what it prints"
