"""Keep one stream's part of the spool: its segment, and what of it is settled."""
