"""Signed model updates: told over MQTT, fetched, proven, tried out, and taken back when anything is wrong."""
