# excl-mapcount-dropped (f495bd7e0d9b): a device-exclusive entry keeps its reference but is not
# counted as a mapping.
# One entry maps the page, and its mapcount says none.
mmap p0 0 1 rw
exclusive d0 p0 0 1
