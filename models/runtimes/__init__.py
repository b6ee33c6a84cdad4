"""Runtimes: what computes a net, and the choice among them."""
