"""Programs that tests start: they find the packages that the tests test, installed or not."""

from __future__ import annotations

import os
import pathlib

ROOT = pathlib.Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
