"""The tasks, and what each decides."""

TASKS = ("placement", "scheduling", "fusion", "joint")
PLACED_TASKS = ("scheduling", "fusion")
"""Tasks whose placement is given with the problem."""
FUSING_TASKS = ("fusion", "joint")
"""Tasks that decide fusion."""
