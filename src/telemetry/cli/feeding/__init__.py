"""Feed the lines of an input to ``log()``, and say what became of each."""
