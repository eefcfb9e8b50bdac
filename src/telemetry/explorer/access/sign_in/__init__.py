"""Finds out who a person is: by a one-time link, at an OpenID provider, or from a proxy."""
