"""Sources: what gives pictures, one after another."""
