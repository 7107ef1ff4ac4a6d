"""Asks the program in this container how it is; exit code 0 when it makes progress."""

import os
import sys
import urllib.error
import urllib.request

ADDRESS = f"http://127.0.0.1:{os.environ.get('HEALTH_PORT', '9464')}/healthz"

try:
    with urllib.request.urlopen(ADDRESS, timeout=4) as answer:
        sys.exit(answer.status != 200)
except urllib.error.HTTPError as error:
    sys.exit(f"{ADDRESS}: {error.code}")
except OSError as error:
    sys.exit(f"{ADDRESS}: {error}; set service.health_port in the settings")
