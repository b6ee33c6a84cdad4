"""Video files: what may be opened, what is in one, and its frames: the same for jobs and for notebooks."""
