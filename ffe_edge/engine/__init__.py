"""Runners: what turns crops into probabilities on this machine."""
