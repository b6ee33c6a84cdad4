"""Headers: what a file says of itself, without decoding it."""
