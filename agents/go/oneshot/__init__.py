"""GO's decision in one shot: a network that places a graph it never saw, without the simulator."""
