"""Views: how results look in a terminal."""
