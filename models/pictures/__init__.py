"""Pictures: from bytes to upright RGB pixels and back, and the overlay."""
