# syntax=docker/dockerfile:1
# A Jobtrail server with the console that it serves: the package @jobtrail/server, installed. Build from the root of the repository:
#   docker build -f deploy/docker/server.Dockerfile -t jobtrail-server .
ARG NODE_IMAGE=node:22-bookworm-slim

FROM ${NODE_IMAGE} AS build
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
RUN npm install --no-save --include=dev --no-audit --no-fund
COPY protocol protocol
COPY api api
COPY process process
COPY server server
COPY worker worker
COPY console console
COPY deploy/bundle.mjs deploy/pack-folder.mjs deploy/third-party-licenses.mjs deploy/console-into-server.mjs deploy/
RUN node node_modules/typescript/bin/tsc -b server worker && node deploy/bundle.mjs && npm run build --workspace @jobtrail/console \
    && mkdir /packages && npm pack --workspace @jobtrail/server --pack-destination /packages

FROM ${NODE_IMAGE}
ENV NODE_ENV=production JOBTRAIL_PORT=7700
WORKDIR /app
COPY --from=build /packages /packages
RUN npm install --no-audit --no-fund /packages/*.tgz && rm -r /packages
COPY --chmod=0555 deploy/docker/server-health.mjs /app/health.mjs
USER node
EXPOSE 7700
# Live, not ready: a server that cannot reach MongoDB for a minute is not helped by a restart.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["node", "/app/health.mjs"]
STOPSIGNAL SIGTERM
CMD ["node", "--max-semi-space-size=32", "node_modules/@jobtrail/server/dist/bundle/main.js"]
