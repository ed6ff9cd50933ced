"""Where a file of an import stands, after all that was done since: corrections, and the bin. What the store's records say.

Steps are taken in the order in which they were made. May live here: what a step does to one file. Not: how records are written.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from catalog.pure.corrections import Moved, Place, corrected


class Standing(NamedTuple):
    """Where a file stands; its name may lead through folders of its series. `bin` is the bin's entry it is in, '' if none.

    `description` is that of its series if a correction changed it, else None.
    """

    place: Place
    name: str
    bin: str = ""
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Binned:
    """Files of a series that were put into the bin: those of some imports, of these names alone if any are said."""

    bin: str
    imports: Collection[str]
    was: Place
    names: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """Files of a series that came back from the bin, maybe to another place, and of them some (`renamed`) under new names."""

    bin: str
    was: Place
    now: Place
    renamed: tuple[tuple[str, str], ...] = ()


Step: TypeAlias = Moved | Binned | Restored


def standing_after(names: Collection[str], standing: Standing, steps: Iterable[Step]) -> Standing:
    """Return where a file of an import stands after all steps.

    Args:
        names: what the import is called: its id, and in older records its number.
        standing: where it was put.
        steps: what was done since, in order.
    """
    for step in steps:
        if isinstance(step, Moved):
            if not standing.bin:
                place, description = corrected(names, standing.place, [step])
                standing = standing._replace(place=place, description=description or standing.description)
        elif isinstance(step, Binned):
            is_named = step.names is None or standing.name in step.names
            if not standing.bin and standing.place == step.was and is_named and not set(names).isdisjoint(step.imports):
                standing = standing._replace(bin=step.bin)
        elif standing.bin == step.bin and standing.place == step.was:
            name = dict(step.renamed).get(standing.name, standing.name)
            standing = standing._replace(place=step.now, name=name, bin="")
    return standing
