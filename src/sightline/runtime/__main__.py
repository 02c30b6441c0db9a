"""`python -m sightline.runtime` is `sightline-run`."""

import sys

from .cli import main

sys.exit(main())
