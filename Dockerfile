# The gateway's image; the stand-ins of the compose file run from it too.
#
#   docker build -t daarion-gw .
#   docker run --rm -p 8080:8080 daarion-gw
#
# Any base with python3 >= 3.11 and its venv module will do.
ARG BASE_IMAGE=python:3.13-slim-bookworm

# hadolint ignore=DL3006
FROM ${BASE_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY daarion_gw daarion_gw
COPY twisted twisted
# The wheel is built apart from the environment that runs it: no build tool ends up in the image.
RUN python3 -m venv /build \
 && /build/bin/pip wheel --wheel-dir /wheels '.[acme]' \
 && python3 -m venv /opt/daarion-gw \
 && /opt/daarion-gw/bin/pip install --no-index --find-links /wheels 'daarion-gw[acme]' \
 && /opt/daarion-gw/bin/pip uninstall --yes pip
# Twisted writes its plugin cache beside the plugins; the running user may not, so it is written now.
WORKDIR /
RUN /opt/daarion-gw/bin/python3 -c "from twisted.plugin import IPlugin, getPlugins; list(getPlugins(IPlugin))"

# hadolint ignore=DL3006
FROM ${BASE_IMAGE}
COPY --from=build /opt/daarion-gw /opt/daarion-gw
COPY deploy/docker/entrypoint.sh /opt/daarion-gw/bin/daarion-entrypoint
ENV PATH=/opt/daarion-gw/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A number, because Kubernetes' runAsNonRoot cannot judge a name. It owns no file of the image.
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
  CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["daarion-entrypoint"]
CMD ["--port", "8080"]
