"""Say of each record, while a trail is read, whether a checkpoint of a trusted key proves it."""
