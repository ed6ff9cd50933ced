"""Staging over WebDAV: what people bring, until it is sealed.

part           method by method; whose tree, and what fails how
visit          one request: names in and out, what is at a place
receiving      PUT: whole bodies
resumable      large files in pieces (tus)
changing       MKCOL, DELETE, COPY, MOVE
locking        LOCK, UNLOCK
described      PROPPATCH, and what PROPFIND tells besides
preconditions  If-* headers
junk           what Finder and Explorer leave behind
"""

from gateway.http.staging.part import Rooms, StagingPart
from gateway.http.staging.visit import STAGING, names_in

__all__ = ["STAGING", "Rooms", "StagingPart", "names_in"]
