# The exchange with a compiled core. Two stages: the compiler stays in the first.
FROM python:3.11-slim-bookworm AS build

RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /srv/evermark
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1

COPY requirements.lock requirements-dev.lock ./
RUN python -m venv /opt/tools \
    && /opt/tools/bin/python -m pip install --quiet --require-hashes -r requirements-dev.lock
RUN python -m venv .venv \
    && .venv/bin/python -m pip install --quiet --require-hashes -r requirements.lock

COPY . .
RUN /opt/tools/bin/python -m app.compiled
RUN .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .


FROM python:3.11-slim-bookworm

RUN useradd --system --uid 10001 --create-home evermark \
    && install --directory --owner evermark --mode 0700 /var/lib/evermark

WORKDIR /srv/evermark
COPY --from=build /srv/evermark /srv/evermark

ENV PATH=/srv/evermark/.venv/bin:$PATH \
    HOST=0.0.0.0 \
    PORT=8080 \
    DATA_DIR=/var/lib/evermark

USER evermark
VOLUME /var/lib/evermark
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["evermark", "run"]
