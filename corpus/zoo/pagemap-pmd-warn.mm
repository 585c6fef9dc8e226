# pagemap-pmd-warn (cd1fc0e3c1f6): pagemap knows of no entry but migration entries that is not present (here: at the lowest level).
mmap p0 0 1 rw
migrate p0 0 1 d0
pagemap p0 0 1
