"""The gate's checks: plain rules over what was read of a batch's files, each with a name, a severity, and what to do.

A rule sees digests, codes and numbers, never an identity, and its message holds none: findings are kept in the catalogue. It
is shown one file after the other and keeps a hundred bytes or two of each, so that a batch of any size can be checked.

* `model`: what rules see and say.
* `single`: rules on one file alone.
* `together`: rules on what the files of a batch have in common: patient, DICOM study, instances, pixels that may show text.
* `complete`: rules on what is missing within a series.
* `expected`: what a study expects, from its profile's ``[expect]`` and from its other exams.
* `sidecars`: whether JSON that programs lay beside images tells whose they are.
* `discs`: whether what the index of a disc names is there.
* `series`: which series a batch holds, and by which label a reviewer chooses one.
* `run`: all of them over one batch.
"""

from catalog.pure.checks.model import CheckedFile, Finding, Position, Rule, Severity, counted
from catalog.pure.checks.run import MOST_FILES, RULES, Checks

__all__ = ["MOST_FILES", "RULES", "CheckedFile", "Checks", "Finding", "Position", "Rule", "Severity", "counted"]
