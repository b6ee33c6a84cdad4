"""`mien up`: the processes of one machine."""
