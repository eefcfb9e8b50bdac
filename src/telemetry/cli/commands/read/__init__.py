"""Read the trail: follow, export, trace."""
