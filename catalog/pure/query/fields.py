"""What can be asked for, as the parser needs to know it, and units of measure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a field's values are."""

    NUMBER = "a number"
    TEXT = "text"
    DATE = "a date"  # text YYYYMMDD, as DICOM writes it
    MOMENT = "a time"  # seconds since 1970 UTC
    ANY = "a number or text"


@dataclass(frozen=True, slots=True)
class QueryField:
    """One field.

    Args:
        name: as it is kept.
        kind: what its values are.
        unit: what its numbers are in, '' for none.
        meaning: one line for people.
        whole: its numbers are whole ones (DICOM: IS, US and the like).
        multiple: a file may have several values, which are kept as text with backslashes between (PS3.5 6.4).
    """

    name: str
    kind: Kind
    unit: str = ""
    meaning: str = ""
    whole: bool = False
    multiple: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """The fields there are: `find` takes a name in any case; `names` are those to suggest from."""

    find: Callable[[str], QueryField | None]
    names: Callable[[], Iterable[str]]


# What a unit measures, and how many of the first unit of that dimension it is.
_UNITS = {
    "s": ("time", 1.0), "ms": ("time", 1e-3), "us": ("time", 1e-6), "min": ("time", 60.0),
    "m": ("length", 1.0), "cm": ("length", 1e-2), "mm": ("length", 1e-3), "um": ("length", 1e-6),
    "T": ("field", 1.0), "mT": ("field", 1e-3),
    "Hz": ("frequency", 1.0), "kHz": ("frequency", 1e3), "MHz": ("frequency", 1e6),
    "deg": ("angle", 1.0), "rad": ("angle", 57.29577951308232),
    "V": ("voltage", 1.0), "kV": ("voltage", 1e3), "A": ("current", 1.0), "mA": ("current", 1e-3),
    "kg": ("mass", 1.0), "g": ("mass", 1e-3),
    "B": ("size", 1.0), "kB": ("size", 1e3), "MB": ("size", 1e6), "GB": ("size", 1e9), "TB": ("size", 1e12),
    "s/mm2": ("b-value", 1.0),
}  # fmt: skip
UNITS = frozenset(_UNITS)


def units_like(unit: str) -> list[str]:
    """Return the units that measure what `unit` does."""
    kind = _UNITS[unit][0] if unit in _UNITS else None
    return [name for name, (other, _) in _UNITS.items() if other == kind]


def converted(number: float, unit: str, wanted: str) -> float | None:
    """Return a number of `unit` in `wanted`; None if they measure different things."""
    if unit == wanted:
        return number
    if unit not in _UNITS or wanted not in _UNITS or _UNITS[unit][0] != _UNITS[wanted][0]:
        return None
    # Through decimals: 0.08 s are 80 ms, not 80.00000000000001.
    return float(f"{number * _UNITS[unit][1] / _UNITS[wanted][1]:.15g}")
