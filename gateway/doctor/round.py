"""The round of all checks, in the order in which one would mend what they find."""

from collections.abc import Iterator
from pathlib import Path

from catalog.pure.errors import ArchimedError, ConfigError
from gateway.config import load
from gateway.doctor import machine, places, programs
from gateway.doctor.finding import Finding, doubtful, wrong

_CHECKS = (
    places.secrets, places.key, places.catalogue_file, places.folders, places.orphans, places.space, places.certificates,
    programs.catalogue, programs.generation, programs.objects, programs.backup, programs.bin_, programs.pam, programs.ports,
    programs.proxy, programs.mounts,
    machine.fuse, machine.clock, machine.units,
)  # fmt: skip


def examine(file: Path | None) -> Iterator[Finding]:
    """Yield what every check finds; a configuration that cannot be used ends the round."""
    try:
        config = load(file)
    except ConfigError as error:
        for problem in error.problems:
            yield wrong("configuration", problem, "mend the file; `archimed config check` looks at it alone")
        return
    yield from places.settings(config)
    for check in _CHECKS:
        yield from _contained(check.__name__.strip("_"), check(config))


def _contained(name: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    # One check that cannot look must not hide what the others see.
    try:
        yield from findings
    except ArchimedError as error:
        yield wrong(name, str(error), "see above")
    except PermissionError:
        yield doubtful(name, "this user may not look at it", "run this as root")
    except OSError as error:
        yield wrong(name, f"could not be looked at: {error.strerror}", "see the system's log: a disk may be failing")
