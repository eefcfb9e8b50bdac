"""Tell the stored objects of this service from everything else in its store."""
