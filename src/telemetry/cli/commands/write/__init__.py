"""Write events from other programs and languages."""
