#!/bin/sh
# Takes the vendored files out of their npm packages and says their SHA-256; needs npm and tar.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cd "$work"
take() { # package version file name
  archive=$(npm pack --silent "$1@$2")
  tar -xzf "$archive" "package/$3"
  cp "package/$3" "$here/$4"
}
take echarts 6.1.0 dist/echarts.min.js echarts.min.js
take echarts 6.1.0 LICENSE LICENSE
take echarts 6.1.0 NOTICE NOTICE
take echarts 6.1.0 licenses/LICENSE-d3 LICENSE-d3
take zrender 6.1.0 LICENSE LICENSE-zrender
cd "$here" && sha256sum echarts.min.js LICENSE* NOTICE
