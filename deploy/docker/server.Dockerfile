# syntax=docker/dockerfile:1
# A Jobtrail server with the console that it serves. Build from the root of the repository:
#   docker build -f deploy/docker/server.Dockerfile -t jobtrail-server .
ARG NODE_IMAGE=node:22-bookworm-slim

FROM ${NODE_IMAGE} AS manifests
WORKDIR /app
COPY package.json package-lock.json tsconfig.base.json ./
COPY protocol/package.json protocol/
COPY api/package.json api/
COPY process/package.json process/
COPY server/package.json server/
COPY worker/package.json worker/
COPY console/package.json console/
COPY deploy/package.json deploy/
COPY test/package.json test/

# What runs: no compiler, no tests, nothing of the other packages.
FROM manifests AS dependencies
RUN npm install --no-save --omit=dev --no-audit --no-fund --workspace @jobtrail/protocol --workspace @jobtrail/api --workspace @jobtrail/process --workspace @jobtrail/server \
    # npm may or may not have put packages there; the last stage copies the folder either way.
    && mkdir -p server/node_modules

FROM manifests AS build
RUN npm install --no-save --include=dev --no-audit --no-fund
COPY protocol protocol
COPY api api
COPY process process
COPY server server
COPY worker worker
COPY console console
COPY LICENSE ./
COPY deploy/bundle.mjs deploy/worker-package.mjs deploy/
# The console takes the built libraries. Of the bundles only the worker's package is needed, which the server hands out.
RUN node node_modules/typescript/bin/tsc -b server worker && npm run build --workspace @jobtrail/console \
    && node deploy/bundle.mjs && find server/dist/bundle -type f ! -name '*.tgz' -delete

FROM ${NODE_IMAGE}
ENV NODE_ENV=production JOBTRAIL_PORT=7700 JOBTRAIL_STATIC_DIR=/app/console/dist
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=dependencies /app/package.json ./
COPY --from=build /app/protocol/package.json protocol/package.json
COPY --from=build /app/protocol/dist protocol/dist
COPY --from=build /app/api/package.json api/package.json
COPY --from=build /app/api/dist api/dist
COPY --from=build /app/process/package.json process/package.json
COPY --from=build /app/process/dist process/dist
COPY --from=build /app/server/package.json server/package.json
COPY --from=dependencies /app/server/node_modules server/node_modules
COPY --from=build /app/server/dist server/dist
COPY --from=build /app/console/dist console/dist
COPY --chmod=0555 deploy/docker/server-health.mjs /app/health.mjs
USER node
EXPOSE 7700
# Live, not ready: a server that cannot reach MongoDB for a minute is not helped by a restart.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["node", "/app/health.mjs"]
STOPSIGNAL SIGTERM
CMD ["node", "--enable-source-maps", "--max-semi-space-size=32", "server/dist/main.js"]
