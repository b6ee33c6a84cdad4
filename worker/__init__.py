"""Workers read faces: live from the bus, offline from the job queue."""
