"""Shows the evidence basket, fills it, and starts the building of a pack."""
