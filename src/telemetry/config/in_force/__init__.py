"""Lists the settings of a loaded configuration, with the place that each comes from, and without its secrets."""
