"""The HTTP API, version 1, at /api/v1/: what the command line can, for programs, as far as role, grant and token allow.

part           the part of the HTTP door: which operation a request asks for, and what its answer looks like
operations     what an operation is: its path, what it takes, what it returns, what a token must be good for
description    all operations as an OpenAPI document
problems       errors as application/problem+json (RFC 9457)
answering      objects as JSON: entity tags, pages, compression
services       what the operations work on

archive        studies, the tree, bytes, ZIP, questions, figures
gate           batches and decisions
people         users, grants, sources, tokens, nodes, studies
work           jobs, the bin, corrections
history        the audit

An operation is a function with types; its description, the checks of what a client sends and the shape of what it returns
come from them. The objects themselves are made in `gateway.records`. Nothing here decides who may see or do what: `View`,
`Review` and `Bin` do, and `catalog.administration`.
"""

from gateway.api.part import ApiPart
from gateway.api.services import ApiServices

__all__ = ["ApiPart", "ApiServices"]
