#!/bin/sh
# build.sh <empty folder>: builds the Dockerfile as it is, from what Git would check out under umask 077, and prints
# where the image is mounted. Only its bases are stand-ins: their registries are not everybody's to reach, npm's is.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD place=$1
version=$(sed -n 's/^ARG BUILD_IMAGE=node:\([0-9.]*\).*/\1/p' Dockerfile)
buildah() { command buildah --root "$place/store" --runroot "$place/run" --storage-driver vfs "$@"; }

# A shell with two tools, npm, and Node at its place in either base.
cd "$place"
tar -xzf "$(npm pack --silent "node-linux-$(node -p process.arch)@$version")"
mkdir -p context base/tmp base/nodejs/bin base/usr/local/bin base/usr/local/lib/node_modules
chmod 1777 base/tmp
cp package/bin/node base/nodejs/bin/
cp package/bin/node base/usr/local/bin/
tools="/bin/sh /usr/bin/env /bin/chmod"
libraries=$(ldd $tools package/bin/node | sed -n 's/.*[[:space:]]\(\/[^ ]*\) (0x.*/\1/p' | sort -u)
cp -L --parents $tools $libraries base
cp -R "$(npm root -g)/npm" base/usr/local/lib/node_modules/
ln -s ../lib/node_modules/npm/bin/npm-cli.js base/usr/local/bin/npm
cp "${NODE_EXTRA_CA_CERTS:-/dev/null}" base/ca.pem

from() { printf 'FROM %s\n%s\n' "$1" "$2" | buildah bud -f - -t "$3" base >&2; }
from scratch 'COPY . /
ENV NODE_EXTRA_CA_CERTS=/ca.pem' build
from localhost/build 'USER 65532' runtime

tar -C "$root" --exclude=node_modules --exclude=.git --exclude=.data -c . | tar -C context -x
chmod -R go= context
buildah bud --isolation chroot -t image --build-arg "NPM_CONFIG_REGISTRY=$(npm config get registry)" \
  --build-arg BUILD_IMAGE=localhost/build --build-arg RUNTIME_IMAGE=localhost/runtime context >&2
buildah mount "$(buildah from localhost/image)"
