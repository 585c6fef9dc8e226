#!/bin/bash -eu
# As on OSS-Fuzz.
exec bash -eu "$SRC/mmfuzz/fuzz/oss-fuzz/build.sh"
