"""The verbs: each fetches, asks, hands on, and decides nothing itself."""
