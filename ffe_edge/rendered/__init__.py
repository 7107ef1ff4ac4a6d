"""Rendered people: a deterministic, licence-free source of faces whose expression is known.

A head is a height map over the frontal plane, in millimetres, with the middle of the eyes as origin, x to the
right of the image, y down and z towards the camera. Action units push the skin and deepen its wrinkles; light
makes the picture. Nothing is learned and nothing is downloaded.
"""
