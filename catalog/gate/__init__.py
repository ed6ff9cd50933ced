"""The one door to write: staging, checks, a named human's decision, the publish job (docs/laws.md, law 3)."""
