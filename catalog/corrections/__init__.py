"""Correcting what is archived: asked for by a person of the role power, done by the worker, one transaction each.

Rows and folder names change; stored bytes never do. A record in the study's folder says so, so that it still can be read
without a catalogue. May live here: asking for corrections and doing them. Not: what names are allowed (`catalog.pure`).
"""

from catalog.corrections.job import Corrector
from catalog.corrections.requests import CorrectionInfo, Corrections

__all__ = ["CorrectionInfo", "Corrections", "Corrector"]
