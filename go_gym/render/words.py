"""Texts in pictures."""


def literal(text: str) -> str:
    """``text`` as Matplotlib shows it unchanged: dollar signs would make a formula of it."""
    return text.replace("$", r"\$")
