"""The bus: frames, results, views and their account on Redis Streams."""
