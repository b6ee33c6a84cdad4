"""Cameras on the dashboard: streams, results, budgets."""
