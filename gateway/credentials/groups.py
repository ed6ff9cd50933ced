"""What a directory says of a person -> whether the account may be used, and the role its groups give. No network."""

from collections.abc import Collection, Mapping, Sequence

from ldap3.core.exceptions import LDAPInvalidDnError
from ldap3.utils.dn import parse_dn

from catalog.pure.access import Role

_DISABLED = 0x2  # userAccountControl
_NEVER = (0, 0x7FFF_FFFF_FFFF_FFFF)  # accountExpires
_TICKS = 10_000_000  # of accountExpires in a second
_FROM_1601_TO_1970 = 11_644_473_600
_DAY = 86_400

ACCOUNT_ATTRIBUTES = ("userAccountControl", "accountExpires", "shadowExpire", "nsAccountLock")


def dn_key(dn: str) -> tuple[tuple[str, str], ...] | None:
    """Return what two spellings of one distinguished name have in common, None if it is not one."""
    try:
        return tuple((name.casefold(), value.casefold()) for name, value, _ in parse_dn(dn, strip=True))
    except LDAPInvalidDnError:
        return None


def is_usable(attributes: Mapping[str, Sequence[bytes]], now: int) -> bool:
    """Whether an account is neither disabled nor expired at `now` (seconds since 1970), by AD's and POSIX's attributes.

    Servers that hold these attributes mostly refuse the bind themselves; asking first spares an account a failure.
    """
    control = _number(attributes, "userAccountControl")
    expires = _number(attributes, "accountExpires")
    expiry_day = _number(attributes, "shadowExpire")
    locked = [value.lower() for value in attributes.get("nsAccountLock", ())]
    return not (
        (control is not None and control & _DISABLED)
        or (expires is not None and expires not in _NEVER and expires // _TICKS - _FROM_1601_TO_1970 <= now)
        or (expiry_day is not None and expiry_day >= 0 and expiry_day * _DAY <= now)
        or locked == [b"true"]
    )


def highest_role(groups: Collection[str], roles: Collection[tuple[str, Role]]) -> Role | None:
    """Return the highest role that one of these groups gives, None if none gives any."""
    keys = {dn_key(group) for group in groups} - {None}
    given = [role for group, role in roles if dn_key(group) in keys]
    return max(given, key=list(Role).index, default=None)


def _number(attributes: Mapping[str, Sequence[bytes]], name: str) -> int | None:
    try:
        return int(attributes[name][0])
    except (KeyError, IndexError, ValueError):
        return None
