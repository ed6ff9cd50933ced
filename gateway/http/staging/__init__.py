"""Staging over WebDAV: what people bring, until it is sealed.

part           method by method; whose tree, and what fails how
request        one request: names in and out, what is at a place
receiving      PUT: whole bodies
resumable      large files in pieces (tus)
changing       MKCOL, DELETE, COPY, MOVE
locking        LOCK, UNLOCK
described      PROPPATCH, and what PROPFIND returns besides
preconditions  If-* headers
junk           what Finder and Explorer leave behind
"""

from gateway.http.staging.part import StagingPart
from gateway.http.staging.request import STAGING

__all__ = ["STAGING", "StagingPart"]
