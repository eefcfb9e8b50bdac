"""Say which archive was verified, and as of which seal."""
