"""What can go wrong outside the program.

FfeError
├── ConfigError     a setting is missing, unknown or out of range
├── SourceError     a camera, file or folder cannot be opened or read
├── DetectorError   the face detector cannot be loaded or run
├── ModelError      a model file, its spec or its runtime cannot be used
│   └── PinError    what a server sends is another file than the one that is wanted
├── DataError       a data set or a manifest cannot be used
├── StoreError      the outbox on disk, or the dashboard's database, cannot be used
├── BrokerError     the MQTT broker refuses us or cannot be used
└── RequestError    what somebody asks of the dashboard is not done

A wrong argument from our own code is a ``ValueError``. ``cli.py`` turns an ``FfeError`` into one line
on stderr and exit code 2: its message says what is wrong, where, and what to do.
"""

from __future__ import annotations


class FfeError(Exception):
    """Root of every error that a user can mend."""


class ConfigError(FfeError):
    """A setting is missing, unknown or out of range."""


class SourceError(FfeError):
    """A camera, file or folder cannot be opened or read."""


class DetectorError(FfeError):
    """The face detector cannot be loaded or run."""


class ModelError(FfeError):
    """A model file, its spec or its runtime cannot be used."""


class PinError(ModelError):
    """What a server sends is another file than the one that is wanted."""


class DataError(FfeError):
    """A data set or a manifest cannot be used."""


class StoreError(FfeError):
    """The outbox on disk, or the dashboard's database, cannot be used."""


class BrokerError(FfeError):
    """The MQTT broker refuses us or cannot be used."""


class RequestError(FfeError):
    """What somebody asks of the dashboard is not done."""
