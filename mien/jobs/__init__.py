"""Jobs: what was asked, how far it is, and which step comes next."""
