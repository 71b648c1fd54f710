#!/bin/sh
# Makes the secrets that compose.yaml passes to its containers as files; what is there already stays as it is.
# Containers run as users of their own, so the files may be read by all, and the folder is open to its owner only.
set -eu
cd "$(dirname "$0")"
mkdir -p -m 0700 secrets
for name in sender metrics grafana; do
  [ -s "secrets/$name" ] && continue
  # Without a line end: the Collector takes the file as it is.
  head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' > "secrets/$name"
  chmod 0644 "secrets/$name"
done
