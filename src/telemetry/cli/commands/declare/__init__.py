"""Commands about what events a service declares."""
