"""Dropped batches: files that people put into folders below `<study>/<exam>/`, until they are sealed, decided and erased.

    Inboxes(database, staging, limits).of(principal)     the staging tree as that principal sees and changes it

`tree` and `folder` are one batch on disk, `exams` is what the catalogue says, `inbox` brings both together for the faces, and
`sealing` is what the gate does with a batch. The rules are in `catalog.pure.drops`.
"""
