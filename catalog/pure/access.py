"""Who may do what: `may(action) = the role allows it AND the study is granted`.

The role half is the table below (docs/laws.md). The grant half is a condition in every SQL statement of the view
and the gate: a principal carries no list of studies, so that nothing can be stale.
"""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a user may do in a study that is granted to them; each role includes the ones before it."""

    LIMITED = "limited"
    STANDARD = "standard"
    POWER = "power"
    ADMINISTRATOR = "administrator"


class Action(StrEnum):
    """What can be asked for in a study."""

    VIEW = "view"  # includes download
    IMPORT = "import"  # upload, review, accept
    CHANGE = "change"  # update, delete into the bin
    ADMINISTER = "administer"  # purge, configure, grant


_ALLOWED: dict[Role, frozenset[Action]] = {
    Role.LIMITED: frozenset({Action.VIEW}),
    Role.STANDARD: frozenset({Action.VIEW, Action.IMPORT}),
    Role.POWER: frozenset({Action.VIEW, Action.IMPORT, Action.CHANGE}),
    Role.ADMINISTRATOR: frozenset(Action),
}


def role_allows(role: Role, action: Action) -> bool:
    """Whether the role alone allows the action; the study must be granted besides."""
    return action in _ALLOWED[role]


def roles_allowing(action: Action) -> tuple[Role, ...]:
    """Return the roles that allow the action, for a condition in SQL."""
    return tuple(role for role in Role if role_allows(role, action))


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated user as one request sees it.

    `user_id` is the catalogue's row; `login` and `role` are as they were when the request began. What is refused for a role is
    decided again in SQL where the answer depends on the row.
    """

    user_id: int
    login: str
    role: Role

    def may(self, action: Action) -> bool:
        """Whether the role allows the action in a study that is granted."""
        return role_allows(self.role, action)
