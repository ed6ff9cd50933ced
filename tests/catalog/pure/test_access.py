"""Who may do what, against the table of docs/laws.md written out once more."""

import itertools

import pytest

from catalog.pure.access import Action, Principal, Role, role_allows, roles_allowing

# docs/laws.md, "Roles and grants", as it stands there.
TABLE = """
              view  import  change  administer
limited       x
standard      x     x
power         x     x       x
administrator x     x       x       x
"""


def model() -> dict[tuple[str, str], bool]:
    head, *lines = TABLE.strip("\n").splitlines()
    columns = {name: head.index(name) for name in head.split()}
    return {(line.split()[0], action): line[at : at + 1] == "x" for line in lines for action, at in columns.items()}


MODEL = model()


def test_the_model_is_whole() -> None:
    assert set(MODEL) == set(itertools.product(map(str, Role), map(str, Action)))
    assert sum(MODEL.values()) == 10


@pytest.mark.parametrize(("role", "action"), list(itertools.product(Role, Action)))
def test_the_role_half_is_designs_table(role: Role, action: Action) -> None:
    expected = MODEL[role, action]
    assert role_allows(role, action) is expected
    assert Principal(1, "ada", role).may(action) is expected
    assert (role in roles_allowing(action)) is expected


def test_a_role_includes_the_ones_before_it() -> None:
    for less, more in itertools.pairwise(Role):
        assert {a for a in Action if role_allows(less, a)} < {a for a in Action if role_allows(more, a)}


def test_every_action_is_allowed_to_somebody() -> None:
    assert all(roles_allowing(action) for action in Action)
    assert roles_allowing(Action.ADMINISTER) == (Role.ADMINISTRATOR,)


def test_a_principal_carries_no_studies_and_cannot_be_changed() -> None:
    """What could be stale is not there; a role that was checked stays the one that was checked."""
    principal = Principal(1, "ada", Role.LIMITED)
    assert set(Principal.__slots__) == {"user_id", "login", "role"}
    with pytest.raises(AttributeError):
        principal.role = Role.ADMINISTRATOR  # type: ignore[misc] - that it is frozen is the point
