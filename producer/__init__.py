"""Producers capture frames from a source and publish them on the bus."""
