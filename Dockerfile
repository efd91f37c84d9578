# The image of the action. The GitHub runner builds it in every job, with nothing but `docker build -f Dockerfile .`,
# so there are no build arguments, no BuildKit front end, and what changes rarely comes first.

FROM debian:trixie-slim AS dependencies
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-pip
COPY requirements.lock /
RUN python3 -m venv --without-pip /opt/db-migrate/.venv \
 && pip --python /opt/db-migrate/.venv/bin/python install --no-cache-dir --no-compile --no-deps \
        --only-binary :all: --require-hashes -r /requirements.lock \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/db-migrate/.venv

FROM debian:trixie-slim
# pgserver is the account under which the embedded PostgreSQL runs, as it refuses to run as root.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* /var/log/* \
 && useradd --system --no-create-home --shell /bin/sh pgserver
COPY --from=dependencies /opt/db-migrate/.venv /opt/db-migrate/.venv
COPY entrypoint.py /opt/db-migrate/
COPY examples /opt/db-migrate/examples
COPY migrations /opt/db-migrate/migrations
COPY runner /opt/db-migrate/runner
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/db-migrate/runner

ENV LANG=C.UTF-8
# -E: a workflow's PYTHONPATH and the like are meant for its own programs. -u: what is printed is in the log at once.
# The exec form: signals reach Python, and a shell would lose variables such as INPUT_DATABASE-URL.
ENTRYPOINT ["/opt/db-migrate/.venv/bin/python", "-E", "-u", "/opt/db-migrate/entrypoint.py"]
