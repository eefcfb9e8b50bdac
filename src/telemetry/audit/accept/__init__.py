"""Accept an event in the caller's thread: check, draft, seal, number."""
