"""Correcting what is archived: asked for by a person of the role power, done by the worker, one transaction each.

Rows and folder names change; stored bytes never do. The study's folder in the store is told too, so that it still can be read
without a catalogue. May live here: asking for corrections and doing them. Not: what names are allowed (`catalog.pure`).
"""

from catalog.corrections.job import Corrector
from catalog.corrections.requests import CorrectionInfo, Corrections

__all__ = ["CorrectionInfo", "Corrections", "Corrector"]
