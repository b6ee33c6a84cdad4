"""Reports: what a job leaves for people."""
