"""Backbones: the nets that can be trained."""
