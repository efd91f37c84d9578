"""What other migration tools have applied, and which of our files that are."""
