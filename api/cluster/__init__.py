"""Documents and models on several machines: the only place that imports ray, an extra."""

import os
from importlib.util import find_spec

from index.errors import UsageError

if not find_spec("ray"):
    raise UsageError("Ray is not installed; install it with `pip install 'pincite[ray]'`")

# Read by ray as it is imported: nothing is sent anywhere.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
