"""One thread a process: pytest-xdist runs as many processes as there are cores, and PyTorch's
threads, which wait spinning, slow each other down tenfold and more where there are too many."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
