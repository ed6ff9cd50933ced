"""The web desk: `/desk/`, where reviewers look at what waits at the gate and decide on it.

part       what every request passes: no page of another site may have a browser decide; bounded bodies, careful headers
pages      what is shown: the list, a batch
deciding   what a form asks for, done through `Review`
summary    what would be accepted, shown before a click of its own decides
viewing    looking through the images of a series
forms      fields of a form -> what `Review.accept` takes
words      states, times, sizes and findings in plain words

Nothing here decides who sees a batch or what may be done with it: that is `catalog.gate.review`. No page needs a script.
Enter in a field never decides anything: a decision takes a button.
"""

from gateway.http.desk.part import DESK, DeskPart
from gateway.http.desk.services import DeskServices

__all__ = ["DESK", "DeskPart", "DeskServices"]
