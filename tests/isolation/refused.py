"""``python refused.py MODEL``: the fields of the error that loading it raises, as JSON."""

from __future__ import annotations

import json
import sys

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError

try:
    MultiModalPredictor.load(sys.argv[1])
except ArtifactError as error:
    fields = ("message", "plugin", "value", "remedy")
    print(json.dumps({field: getattr(error, field) for field in fields}))
