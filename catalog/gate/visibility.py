"""Who sees which batch: the conditions for the desk and for the folders of staging. Nothing else may live here.

Having brought a batch is no grant. A batch that is meant for a study is seen through the grant of that study, or of the centre
that it is of; one that is meant for none, by the reviewers of its source. Of what somebody brought and may not see (any more),
they have a receipt.
"""

import sqlalchemy as sa

from catalog.database.tables import batches, source_reviewers, users
from catalog.pure.access import Action, roles_allowing
from catalog.visible import UserId, granted_centre


def may_import(user_id: UserId) -> sa.ColumnElement[bool]:
    """Whether the user's role, as it is now, lets them bring and review files at all."""
    me = users.alias()
    return sa.exists().where(me.c.id == user_id, me.c.role.in_(roles_allowing(Action.IMPORT)))


def visible(user_id: UserId) -> sa.ColumnElement[bool]:
    """Whether the user sees a batch: uploaded for a study they have, or of a source they review and for no study they lack."""
    reviews = sa.exists().where(source_reviewers.c.source_id == batches.c.source_id, source_reviewers.c.user_id == user_id)
    is_mine = batches.c.uploader_id == user_id
    is_for_none = batches.c.study_id.is_(None)
    has_study = granted_centre(batches.c.study_id, batches.c.centre_id, user_id)
    received = sa.and_(batches.c.source_id.is_not(None), reviews, sa.or_(is_for_none, has_study))
    uploaded = sa.and_(batches.c.uploader_id.is_not(None), sa.or_(has_study, sa.and_(is_for_none, is_mine)))
    return sa.and_(may_import(user_id), sa.or_(received, uploaded))


def has_receipt(user_id: UserId) -> sa.ColumnElement[bool]:
    """Whether the user brought a batch, and so is shown its number, its state and how many files it has, and no more."""
    return sa.and_(may_import(user_id), batches.c.uploader_id == user_id)
