"""A Django app whose models have every kind of field and relation that an audit must understand."""
