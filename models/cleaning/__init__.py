"""Cleaning: labels that are probably wrong."""
