"""The web desk: `/desk/`, where readers look at what is archived, and reviewers at what waits at the gate and decide on it.

part       what every request passes: who asks, and for what; bounded bodies, careful headers
visits     who asks: the cookie of a session, or Basic; marks that a form is of a page of ours
entering   log-in, log-out
account    one's own tokens and sessions
pages      what is shown: the list, a batch
deciding   what a form asks for, done through `Review`
summary    what would be accepted, shown before a click of its own decides
viewing    looking through the images of a series
looking    how a picture is asked for, and what it is answered with
reading    the reader's pages: what is archived
forms      fields of a form -> what `Review.accept` takes
words      states, times, sizes and findings in plain words

Nothing here decides who sees a batch or what may be done with it: that is `catalog.gate.review`. No page needs a script.
Enter in a field never decides anything: a decision takes a button.
"""

from gateway.http.desk.part import DeskPart
from gateway.http.desk.services import DeskServices
from gateway.http.desk.visits import DESK, DESK_PAGES

__all__ = ["DESK", "DESK_PAGES", "DeskPart", "DeskServices"]
