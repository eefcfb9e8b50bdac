"""Finds out what a Django application changed in its database, and logs it once the change is committed."""
