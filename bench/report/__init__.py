"""What is said of it: tables, targets, plots."""
