"""Things of the archive as JSON objects: what `--json` prints and the HTTP API answers, made in this one place.

moments    times as text
archive    studies, what lies in the tree, answers to questions
gate       batches
people     users, grants, sources, tokens, DICOM nodes
work       jobs, the bin, holds
history    the audit

Each object is a TypedDict, so that the command line cannot print what the API's description does not name. May live here: the
translation of a value of `catalog` into its object. Not: asking for it, printing it, HTTP.
"""
