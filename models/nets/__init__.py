"""Nets: architecture, layers, heads, and a set of weights as one zip."""
