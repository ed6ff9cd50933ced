"""De-identification as a leaf package: profile -> compiled rules -> clean file + report.

Knows no catalogue, no network and no database. The rooms:

* `errors`, `report`: what comes out.
* `rules`: what decides (the standard's table, profiles, the vocabulary, values). Pure.
* `mapping`, `dates`: the keyed mapping of UIDs, dates and identifiers. Pure.
* `engine`: how bytes are taken apart and put together.
* `walk`, `marks`, `headers`, `facts`, `suspicion`, `leak`: the steps between; `cleaner` puts them in order.
* `formats`: what is not DICOM: NIfTI, EDF, twix, PAR/REC, pictures, tables ...; `formats.FileCleaner` takes any file.
* `pixels`: masks, and what raises a suspicion; `csa` and `gems`: formats of Siemens and GE, cleaned from within.
* `data`: tables, vocabulary and example profiles, each with its provenance.
"""

from deid.cleaner import Cleaner
from deid.errors import DeidError, Held, ProfileError, Unreadable
from deid.report import Action, Report
from deid.rules.model import Profile
from deid.rules.parse import examples, load_profile
from deid.screening import burned_in

VERSION = "2"
"""Changes whenever the same file, profile and key would give other bytes."""

__all__ = [
    "VERSION",
    "Action",
    "Cleaner",
    "DeidError",
    "Held",
    "Profile",
    "ProfileError",
    "Report",
    "Unreadable",
    "burned_in",
    "examples",
    "load_profile",
]
