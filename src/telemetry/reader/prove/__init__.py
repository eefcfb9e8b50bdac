"""Find single events and prove them."""
