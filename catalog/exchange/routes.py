"""What a publish queues for nodes by itself, where a route says so."""

import sqlalchemy as sa

from catalog.database.tables import dicom_nodes, exams, files, routes, series, studies
from catalog.exchange.deliveries import queue_files

_ASKED_BY = "route"


def queue_routes(connection: sa.Connection, study_id: int, exam_id: int, batch_id: int) -> None:
    """Queue the DICOM files that came with a batch into an exam for the nodes of its study, in the caller's transaction."""
    columns = (dicom_nodes.c.id, dicom_nodes.c.name, dicom_nodes.c.user_id)
    targets = connection.execute(
        sa.select(*columns).join(routes, routes.c.node_id == dicom_nodes.c.id).where(routes.c.study_id == study_id)
    ).all()
    if not targets:
        return
    name = sa.func.coalesce(files.c.name, files.c.name_key)
    came = (
        sa.select(files.c.id, studies.c.code, exams.c.code, series.c.name, name)
        .select_from(files)
        .join(series, series.c.id == files.c.series_id)
        .join(exams, exams.c.id == series.c.exam_id)
        .join(studies, studies.c.id == series.c.study_id)
        .where(series.c.exam_id == exam_id, series.c.file_type.like("DCM%"), files.c.batch_id == batch_id)
        .order_by(files.c.id)
    )
    found = [(row[0], "/".join(row[1:])) for row in connection.execute(came)]
    for node_id, node, user_id in targets if found else ():
        queue_files(connection, node_id, node, user_id, _ASKED_BY, found)
