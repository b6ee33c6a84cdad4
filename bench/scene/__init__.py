"""What is measured on: clips, feeds, viewers, and the rivals."""
