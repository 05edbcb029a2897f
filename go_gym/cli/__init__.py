"""The go-gym command. Each module adds its commands to ``app``, in the order of the help."""

from go_gym.cli import (  # isort: skip
    catalogue,
    instances,
    capture,
    run,
    board,
    curves,
    export,
    site,
    submit,
    trace,
    pipeline,
    hardware,
    reproduce,
    build,
    demo,
)
from go_gym.cli.shared import app

__all__ = [
    "app",
    "board",
    "build",
    "capture",
    "catalogue",
    "curves",
    "demo",
    "export",
    "hardware",
    "instances",
    "pipeline",
    "reproduce",
    "run",
    "site",
    "submit",
    "trace",
]
