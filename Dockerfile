# The image of the action. The GitHub runner builds it in every job, with nothing but `docker build -f Dockerfile .`,
# so there are no build arguments and no BuildKit front end. What changes rarely comes first, and the files of a layer are
# the same in every build, so that an update moves the last one alone.

FROM debian:trixie-slim AS system
# Python without the package python3: that adds tools for a keyboard, and bytecode that holds the times of its sources.
# pgserver is the account under which the embedded PostgreSQL runs, as it refuses to run as root; without an epoch, its
# entry would hold the day.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libpython3-stdlib python3-minimal \
 && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/ldconfig /var/cache/debconf/*-old /var/lib/dpkg/*-old \
 && SOURCE_DATE_EPOCH=0 useradd --system --no-create-home --shell /bin/sh pgserver \
 && python3 -X no_debug_ranges -m compileall -q -f --invalidation-mode unchecked-hash -x '/(test|pydoc_data)/' /usr/lib/python3.*

FROM system AS dependencies
RUN apt-get update \
 && apt-get install -y --no-install-recommends binutils python3-pip-whl
COPY requirements.lock .docker/slim.sh /
RUN python3 -m venv --without-pip /opt/db-migrate/.venv \
 && PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl) /opt/db-migrate/.venv/bin/python -m pip install \
        --no-cache-dir --no-compile --no-deps --only-binary :all: --require-hashes -r /requirements.lock \
 && sh /slim.sh /opt/db-migrate/.venv \
 && python3 -X no_debug_ranges -m compileall -q --invalidation-mode unchecked-hash /opt/db-migrate/.venv

FROM dependencies AS code
COPY entrypoint.py /opt/db-migrate/
COPY examples /opt/db-migrate/examples
COPY migrations /opt/db-migrate/migrations
COPY runner /opt/db-migrate/runner
RUN cd /opt/db-migrate \
 && python3 -m compileall -q --invalidation-mode unchecked-hash runner \
 && .venv/bin/python -B -c 'from runner.render import compile_templates; compile_templates()' \
 && rm -r .venv

FROM system
COPY --from=dependencies /opt/db-migrate/.venv /opt/db-migrate/.venv
COPY --from=code /opt/db-migrate /opt/db-migrate

ENV LANG=C.UTF-8
# -E: a workflow's PYTHONPATH and the like are meant for its own programs. -u: what is printed is in the log at once.
# The exec form: signals reach Python, and a shell would lose variables such as INPUT_DATABASE-URL.
ENTRYPOINT ["/opt/db-migrate/.venv/bin/python", "-E", "-u", "/opt/db-migrate/entrypoint.py"]
