"""Log lines for programs: one JSON object a line, and no credentials in any line."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone

from ffe_edge.redaction import redacted


class RedactingFormatter(logging.Formatter):
    """Lines for people, without the credentials of URLs."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, more with a traceback."""
        return redacted(super().format(record))


class JsonFormatter(logging.Formatter):
    """``{"time": …, "level": …, "logger": …, "message": …}``, and ``error`` where there is a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        told = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
        if record.exc_info:
            told["error"] = redacted(self.formatException(record.exc_info))
        return json.dumps(told, ensure_ascii=False)
