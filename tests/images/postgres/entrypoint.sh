#!/bin/sh
# Makes a cluster on the first start, then becomes the server, so that signals reach it. Arguments are the server's own.
set -eu

: "${POSTGRES_PASSWORD:?POSTGRES_PASSWORD must be set}"
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    install -d -o postgres -g postgres -m 0700 "$PGDATA"
    printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
    chown postgres /tmp/password
    as_postgres initdb --no-sync --auth=scram-sha-256 --username="$user" --pwfile=/tmp/password >/dev/null
    rm /tmp/password
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    if [ "$database" != postgres ]; then
        echo "CREATE DATABASE \"$database\"" | as_postgres postgres --single -j -D "$PGDATA" postgres >/dev/null
    fi
fi

unset POSTGRES_PASSWORD
exec setpriv --reuid=postgres --regid=postgres --init-groups \
    postgres -c listen_addresses='*' -c fsync=off -c full_page_writes=off "$@"
