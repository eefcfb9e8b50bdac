"""Tell what was removed from an archive on purpose from what is missing."""
