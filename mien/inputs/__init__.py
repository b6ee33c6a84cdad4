"""Inputs: from an address to its bytes, in files, folders, archives and on other machines."""
