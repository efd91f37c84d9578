"""What confirms a run in production, in so many words."""

OF_A_MIGRATION = "MIGRATE-PRODUCTION"
OF_A_ROLLBACK = "ROLLBACK-PRODUCTION"
