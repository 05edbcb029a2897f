"""Names that agents had before they had options: the rows of older boards hold them."""

FORMER = {
    "go-scheduled": "go:priorities=critical-path",
    "sa-scheduled": "sa:priorities=critical-path",
    "sa-from-best": "sa:start=best",
    "sa-from-best-scheduled": "sa:priorities=critical-path,start=best",
    "cem-scheduled": "cem:priorities=critical-path",
    "cem-from-best": "cem:start=best",
    "cem-from-best-scheduled": "cem:priorities=critical-path,start=best",
    "brkga-scheduled": "brkga:priorities=critical-path",
    "brkga-from-best": "brkga:start=best",
    "brkga-from-best-scheduled": "brkga:priorities=critical-path,start=best",
    "go-separate": "go:separate",
    "go-paper": "go:paper",
    "sa-separate": "sa:separate",
    "sb3-ppo": "sb3",
    "sb3-a2c": "sb3:algorithm=a2c",
    "sb3-dqn": "sb3:algorithm=dqn",
}
"""The canonical name of today for each."""
