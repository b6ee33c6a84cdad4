"""The jobs worker: the steps of photo, video and evaluation jobs."""
