"""Comparing: several backbones side by side."""
