"""Who sees which batch: the one condition for the desk and for the folders of staging. Nothing else may live here."""

import sqlalchemy as sa

from catalog.database.tables import batches, source_reviewers, users
from catalog.granted import UserId, granted
from catalog.pure.access import Action, roles_allowing


def may_import(user_id: UserId) -> sa.ColumnElement[bool]:
    """Whether the user's role, as it is now, lets them bring and review files at all."""
    me = users.alias()
    return sa.exists().where(me.c.id == user_id, me.c.role.in_(roles_allowing(Action.IMPORT)))


def visible(user_id: UserId) -> sa.ColumnElement[bool]:
    """Whether the user sees a batch: their own, one uploaded for a study they have, one of a source they review."""
    reviews = sa.exists().where(source_reviewers.c.source_id == batches.c.source_id, source_reviewers.c.user_id == user_id)
    has_study = granted(batches.c.study_id, user_id)
    received = sa.and_(batches.c.source_id.is_not(None), reviews, sa.or_(batches.c.study_id.is_(None), has_study))
    uploaded = sa.and_(batches.c.uploader_id.is_not(None), sa.or_(batches.c.uploader_id == user_id, has_study))
    return sa.and_(may_import(user_id), sa.or_(received, uploaded))
