"""Print for people and write files for machines."""
