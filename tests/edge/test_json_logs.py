"""Log lines as JSON, and no credentials in any of them."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from ffe_edge.json_logs import JsonFormatter, RedactingFormatter


def fail() -> None:
    raise ValueError("rtsp://carer:s3cret@10.0.0.7/live\nbroken")


def record(message: str, *values: object, error: bool = False) -> logging.LogRecord:
    found = None
    if error:
        try:
            fail()
        except ValueError:
            found = sys.exc_info()
    return logging.LogRecord("ffe_edge.camera", logging.WARNING, "x.py", 1, message, values, found)


def test_a_record_is_one_object_a_line() -> None:
    line = JsonFormatter().format(record("%s is offline:\n%s", "居間", "no frame"))
    told = json.loads(line)
    assert "\n" not in line
    assert (told["level"], told["logger"], told["message"]) == (
        "warning",
        "ffe_edge.camera",
        "居間 is offline:\nno frame",
    )
    assert told["time"].endswith("Z")
    assert len(told) == 4


def test_a_traceback_stays_in_the_line() -> None:
    line = JsonFormatter().format(record("failed", error=True))
    assert "ValueError" in json.loads(line)["error"]
    assert "\n" not in line
    assert "s3cret" not in line


@pytest.mark.parametrize("form", [JsonFormatter(), RedactingFormatter("%(levelname)s %(message)s")])
def test_credentials_do_not_reach_the_log(form: logging.Formatter) -> None:
    line = form.format(record("%s cannot be opened", "rtsp://carer:s3cret@10.0.0.7/live?token=abc"))
    assert "s3cret" not in line
    assert "abc" not in line
    assert "10.0.0.7/live" in line
