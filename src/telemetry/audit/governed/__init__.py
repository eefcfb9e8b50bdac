"""Types with policies: how safe their events must be, and what happens where that fails."""
