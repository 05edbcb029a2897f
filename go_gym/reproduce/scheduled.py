"""Agents that have a form which searches under critical-path priorities."""

SCHEDULED = {
    agent: f"{agent}-scheduled"
    for searcher in ("go", "sa", "cem", "brkga")
    for agent in (searcher, f"{searcher}-from-best")
}
"""The form of each. It gives these priorities in its decision; the plain form searches under first
in, first out, so that its answer under other priorities is one it never looked at."""
