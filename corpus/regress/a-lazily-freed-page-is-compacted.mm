# While a lazily freed page is isolated, it counts as a file page (nr_isolated_file). The judge's
# driver counted it as anonymous before it migrated the page, so nr_isolated_anon grew for good.
# Found by CI's minute of `make linux-fuzz`.
mmap p0 0 1 rw
write p0 0
lazyfree p0 0 1
compact p0 0
