"""An exact agent for small problems: constraint programming, with a bound that it proved."""
