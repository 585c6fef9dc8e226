# migwait-holds-ref (9a1ea439b16b): a task that waits for a migration holds a reference to the page,
# so the migration must fail.
# get waits for the migration that setup opened.
mmap p0 6 2 rw
write p0 7
setup p0 7 1 d0 to-dev
get p0 7 r
