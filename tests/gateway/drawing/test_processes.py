"""Pictures have shares: whoever turns pages fast leaves some to others."""

from contextlib import closing

import pytest

from catalog.pure.errors import Unavailable
from gateway.drawing.processes import Drawing


def test_one_user_does_not_get_all() -> None:
    with closing(Drawing(processes=1, waiting=3)) as drawing:
        with drawing._share("ada"), drawing._share("ada"):
            with pytest.raises(Unavailable, match="for you"), drawing._share("ada"):
                pass
            with drawing._share("ben"):
                pass
        with drawing._share("ada"):
            pass
