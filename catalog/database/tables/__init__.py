"""The catalogue's tables, and nothing else. Every column says its unit, its sentinel or its invariant.

Common to all: an `id` is never reused by the application; a time is whole seconds since 1970-01-01 UTC; a `*_key` is the folded
form (`catalog.pure.names.folded`) under which names are unique. Nothing here may hold an identity: no patient name, ID, birth
date, original UID or original file name (docs/laws.md, law 6). What a reviewer must see of a staged file lies in the staging folder.
"""

from catalog.database.tables.administration import (
    centres,
    dicom_node_studies,
    dicom_nodes,
    grant_centres,
    grants,
    profiles,
    source_reviewers,
    sources,
    studies,
    tokens,
    users,
    web_sessions,
)
from catalog.database.tables.archive import (
    exams,
    fields,
    files,
    folders,
    object_findings,
    results,
    series,
    series_columns,
    series_values,
    verifications,
)
from catalog.database.tables.bin import TWINS, bin_entries, bin_files, clock_watch, holds
from catalog.database.tables.columns import metadata
from catalog.database.tables.exchange import deliveries, delivery_files, received_instances, routes
from catalog.database.tables.gate import batch_subjects, batches, corrections, jobs, locks, looks, staged_files
from catalog.database.tables.happened import audit, audit_closed, backups, changes, generation, reads

__all__ = [
    "TWINS",
    "audit",
    "audit_closed",
    "backups",
    "batch_subjects",
    "batches",
    "bin_entries",
    "bin_files",
    "centres",
    "changes",
    "clock_watch",
    "corrections",
    "deliveries",
    "delivery_files",
    "dicom_node_studies",
    "dicom_nodes",
    "exams",
    "fields",
    "files",
    "folders",
    "generation",
    "grant_centres",
    "grants",
    "holds",
    "jobs",
    "locks",
    "looks",
    "metadata",
    "object_findings",
    "profiles",
    "reads",
    "received_instances",
    "results",
    "routes",
    "series",
    "series_columns",
    "series_values",
    "source_reviewers",
    "sources",
    "staged_files",
    "studies",
    "tokens",
    "users",
    "verifications",
    "web_sessions",
]
