"""Where it is measured: in a process of its own, which can be ended whatever happens in it."""
