#!/bin/bash -eu
# The build is that of OSS-Fuzz.
exec bash -eu "$SRC/mmfuzz/fuzz/oss-fuzz/build.sh"
