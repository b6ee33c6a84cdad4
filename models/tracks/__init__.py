"""Tracks: one face over time, and its smoothed label."""
