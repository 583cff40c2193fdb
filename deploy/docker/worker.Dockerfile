# syntax=docker/dockerfile:1
# A Jobtrail worker with the command-line agent: the package @jobtrail/worker, installed. Build from the root of the repository:
#   docker build -f deploy/docker/worker.Dockerfile -t jobtrail-worker .
# Jobs run inside the container: derive an image from this one with the programs that they need.
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
COPY deploy/bundle.mjs deploy/pack-folder.mjs deploy/third-party-licenses.mjs deploy/
RUN node node_modules/typescript/bin/tsc -b server worker && node deploy/bundle.mjs \
    && mkdir /packages && npm pack --workspace @jobtrail/worker --pack-destination /packages

FROM ${NODE_IMAGE}
# Jobs may leave grandchildren behind: process 1 has to be one that reaps them.
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/* \
    && install -d -o node -g node /var/lib/jobtrail/spool
ENV NODE_ENV=production JOBTRAIL_SPOOL_DIR=/var/lib/jobtrail/spool
WORKDIR /app
COPY --from=build /packages /packages
RUN npm install --no-audit --no-fund /packages/*.tgz && rm -r /packages
USER node
# What is not yet acknowledged lies here: without a volume a removed container takes it along.
VOLUME /var/lib/jobtrail/spool
# Says that the worker's main loop turns and its guard lives, not that a server can be reached: an outage of those must not end what runs.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["node", "node_modules/@jobtrail/worker/dist/bundle/main.js", "--health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--"]
CMD ["node", "node_modules/@jobtrail/worker/dist/bundle/main.js"]
