"""mien reads the apparent emotion of every face, live and in batches."""
