"""What `mien doctor` checks and says."""
