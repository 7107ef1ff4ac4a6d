"""From a checkpoint to a file that a device runs."""
