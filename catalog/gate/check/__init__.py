"""The check job: examine every file of a sealed batch, and leave findings for a reviewer.

The rules are in `catalog.pure.checks`.
"""
