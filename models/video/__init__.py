"""Videos: frames with their times, read in segments."""
