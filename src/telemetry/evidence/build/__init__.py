"""Write evidence packs: select events, prove them, verify the trail, and put the files together."""
