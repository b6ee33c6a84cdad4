"""Measurements of mien: what docs and constants quote is measured here."""
