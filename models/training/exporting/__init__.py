"""Exporting: from a run to a set of weights that is checked."""
