"""The other tools whose databases and files can be taken over."""

from enum import StrEnum


class Tool(StrEnum):
    """A migration tool, by the name that people know it by."""

    ALEMBIC = "alembic"
    DBMATE = "dbmate"
    FLYWAY = "flyway"
    GOLANG_MIGRATE = "golang-migrate"
    GOOSE = "goose"
    GRAPHILE_MIGRATE = "graphile-migrate"
    LIQUIBASE = "liquibase"
    NODE_PG_MIGRATE = "node-pg-migrate"
    PRISMA = "prisma"
    RAILS = "rails"
    SUPABASE = "supabase"
