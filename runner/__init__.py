"""db-migrate-action: brings a PostgreSQL database from the migrations it has to those the checkout has."""

__version__ = "1.0.0"
