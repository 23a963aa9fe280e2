# Two stages: packages are built in the first, the second holds only what runs, as a user without rights.
FROM python:3.11-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/inquest
COPY requirements.lock .
RUN /opt/inquest/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY bot bot
COPY connectors connectors
COPY runbooks runbooks
COPY migrations migrations
RUN /opt/inquest/bin/pip install --no-cache-dir --disable-pip-version-check hatchling \
 && /opt/inquest/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home inquest
COPY --from=build /opt/inquest /opt/inquest
USER inquest
WORKDIR /home/inquest
ENV PATH=/opt/inquest/bin:$PATH PYTHONUNBUFFERED=1 INQUEST_HTTP_HOST=0.0.0.0
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=3s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
CMD ["inquest", "serve"]
