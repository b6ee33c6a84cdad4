"""Detectors: where the faces of a picture are."""
