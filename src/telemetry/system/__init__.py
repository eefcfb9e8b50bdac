"""Ask the operating system: files, threads, processes."""
