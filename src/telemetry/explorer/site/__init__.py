"""The pages of the explorer and their addresses."""
