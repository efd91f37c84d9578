"""Templates of the user's own (docs/templates.md): read, checked, and rendered so that nobody has to trust them."""
