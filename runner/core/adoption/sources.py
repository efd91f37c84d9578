"""Where each tool keeps what it has applied."""

from collections.abc import Mapping

from runner.core.adoption.alembic import ALEMBIC
from runner.core.adoption.changelogs import FLYWAY, LIQUIBASE
from runner.core.adoption.history import Source
from runner.core.adoption.named import GRAPHILE_MIGRATE, NODE_PG_MIGRATE, PRISMA
from runner.core.adoption.numbered import DBMATE, GOLANG_MIGRATE, GOOSE, RAILS, SUPABASE
from runner.core.tools import Tool

SOURCES: Mapping[Tool, Source] = {
    Tool.ALEMBIC: ALEMBIC,
    Tool.DBMATE: DBMATE,
    Tool.FLYWAY: FLYWAY,
    Tool.GOLANG_MIGRATE: GOLANG_MIGRATE,
    Tool.GOOSE: GOOSE,
    Tool.GRAPHILE_MIGRATE: GRAPHILE_MIGRATE,
    Tool.LIQUIBASE: LIQUIBASE,
    Tool.NODE_PG_MIGRATE: NODE_PG_MIGRATE,
    Tool.PRISMA: PRISMA,
    Tool.RAILS: RAILS,
    Tool.SUPABASE: SUPABASE,
}
