"""`archimed doctor`'s checks of a machine: each says what it found and what to do; none changes anything.

A check is a function that yields findings. May live here: looking. Not: mending, printing.
"""

from gateway.doctor.finding import Finding, Grade
from gateway.doctor.round import examine

__all__ = ["Finding", "Grade", "examine"]
