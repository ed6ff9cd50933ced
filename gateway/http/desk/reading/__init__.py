"""The reader's pages: what is archived and granted, to be looked at, searched in, and taken.

pages      studies, exams, series with a viewer and what is known of them
pictures   archived files drawn
searching  the query language as a page, a CSV table, a list of paths
taking     files as they are, and many as one ZIP
lineage    where results come from, as boxes and lines
paths      what a place is called on Linux, Windows and macOS, and how programs open it

All of it goes through a `View`: what is not granted is not there.
"""
