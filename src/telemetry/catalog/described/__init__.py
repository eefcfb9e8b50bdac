"""Describes a catalogue without its code: as a document that is exported, compared and read again."""
