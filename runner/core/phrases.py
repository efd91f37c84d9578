"""What confirms a run in production, in so many words."""

OF_A_MIGRATION = "MIGRATE-PRODUCTION"
OF_A_ROLLBACK = "ROLLBACK-PRODUCTION"
VARIABLE = "CONFIRM_PRODUCTION_MIGRATION"  # `true` in the environment says the first, but not for a run started by hand
