"""Reading the configuration file: where it is, and every fault in it at once.

No message repeats a value: a secret may have been written in the wrong place.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from catalog.pure.errors import ConfigError
from gateway.config.model import SECTIONS, STATE, Config, Deid

DEFAULT_FILE = Path("/etc/archimed/archimed.toml")
_VARIABLE = "ARCHIMED_CONFIG"


def load(file: Path | None = None) -> Config:
    """Read the configuration from `file`, else from $ARCHIMED_CONFIG, else from /etc/archimed/archimed.toml.

    Raises:
        ConfigError: with all problems: unreadable, not TOML, unknown sections and keys, values that cannot be used.
    """
    found = (file or Path(os.environ.get(_VARIABLE) or DEFAULT_FILE)).absolute()
    document = _parse(found)
    problems: list[str] = []
    sections = {}
    for name, table in _flat(document):
        if name not in SECTIONS:
            problems.append(_unknown_section(name, table))
        elif not isinstance(table, dict):
            problems.append(f"{name} is a section: write [{name}] on a line of its own and its keys below")
        else:
            sections[name.rpartition(".")[2]] = _section(name, table, found.parent, problems)
    problems += _missing(Config(found, **sections))
    if problems:
        raise ConfigError([f"{found}: {problem}" for problem in problems])
    return _with_key_beside_catalogue(Config(found, **sections), document)


def read_secret(file: Path, what: str) -> str:
    """Return the first line of a secret's file.

    Args:
        file: the file.
        what: what it holds, for the message: "the catalogue's password".

    Raises:
        ConfigError: it cannot be read or is empty.
    """
    try:
        secret = file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except OSError as error:
        raise ConfigError([f"{what} cannot be read from {file}: {os.strerror(error.errno or 0)}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{what} in {file} is not UTF-8 text"]) from None
    if not secret:
        raise ConfigError([f"{what} is missing: the first line of {file} is empty"])
    return secret


def _flat(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give each section by its full name: of `[auth]` also `[auth.ldap]`."""
    for name, table in document.items():
        below = [f"{name}.{key}" for key in table] if isinstance(table, dict) else []
        inner = {full: table[full.rpartition(".")[2]] for full in below if full in SECTIONS}
        if not inner or len(inner) < len(below):
            yield name, {key: value for key, value in table.items() if f"{name}.{key}" not in inner} if inner else table
        yield from inner.items()


def _missing(config: Config) -> list[str]:
    tls = [f"[dicom.tls] {key}: needed, because TLS is set up" for key in config.tls.missing]
    if "ldap" not in config.auth.backends:
        return tls
    return tls + [f"[auth.ldap] {key}: needed, because ldap is among the backends" for key in config.ldap.missing]


def _parse(file: Path) -> dict[str, Any]:
    try:
        content = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            [f"there is no configuration at {file}; write it, or name another with --config or ${_VARIABLE}"]
        ) from None
    except OSError as error:
        raise ConfigError(
            [f"the configuration {file} cannot be read: {os.strerror(error.errno or 0)}; run this as a user who may read it"]
        ) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{file}: not UTF-8 text"]) from None
    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{file}: not TOML: {error}"]) from None


def _section(name: str, table: dict[str, Any], folder: Path, problems: list[str]) -> Any:
    known = get_type_hints(SECTIONS[name], include_extras=True)
    values = {}
    for key, value in table.items():
        if key not in known:
            problems.append(_unknown_key(name, key, known))
            continue
        try:
            (reader,) = known[key].__metadata__
            values[key] = reader(value, folder)
        except ValueError as error:
            problems.append(f"[{name}] {key}: {error}")
    return SECTIONS[name](**values)


def _unknown_key(section: str, key: str, known: Iterable[str]) -> str:
    elsewhere = _sections_with(key)
    if elsewhere:
        return f"[{section}] {key}: unknown key here; it belongs in {elsewhere}"
    return f"[{section}] {key}: unknown key; the nearest known one is {_nearest(key, known)}"


def _unknown_section(name: str, value: object) -> str:
    if isinstance(value, dict):
        return f"[{name}]: unknown section; the nearest known one is [{_nearest(name, SECTIONS)}]"
    elsewhere = _sections_with(name)
    if elsewhere:
        return f"{name} stands in no section; it belongs in {elsewhere}"
    every_key = {declared.name: section for section, kind in SECTIONS.items() for declared in fields(kind)}
    nearest = _nearest(name, every_key)
    return f"{name}: unknown key outside any section; the nearest known one is {nearest} in [{every_key[nearest]}]"


def _sections_with(key: str) -> str:
    return " or ".join(f"[{name}]" for name, kind in SECTIONS.items() if key in {declared.name for declared in fields(kind)})


def _nearest(name: str, known: Iterable[str]) -> str:
    return difflib.get_close_matches(name.casefold(), list(known), n=1, cutoff=0.0)[0]


def _with_key_beside_catalogue(config: Config, document: dict[str, Any]) -> Config:
    # An archive in a folder of its own keeps its key there, not in the system's folder.
    catalogue = config.catalog.url.removeprefix("sqlite:///")
    if "key_file" in document.get("deid", {}) or catalogue == config.catalog.url:
        return config
    return replace(config, deid=Deid(Path(catalogue).parent / STATE.joinpath("secrets", "deid.key").relative_to(STATE)))
