"""`python -m gateway.cli` is `archimed`."""

import sys

from gateway.cli import main

sys.exit(main())
