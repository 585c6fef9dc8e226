# pagemap-pmd-warn (cd1fc0e3c1f6): the only non-present entries that pagemap knows are migration
# entries (here at the lowest level). pagemap does not show the device-private page as swapped.
mmap p0 0 1 rw
migrate p0 0 1 d0
pagemap p0 0 1
