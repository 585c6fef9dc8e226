# migwait-head-page (ffc90cbb2970): a task that waits for the migration of a huge page takes a
# reference to a tail page. The child maps the huge page by entries of single pages.
thp always
mmap p0 0 8 rw
write p0 0
fork p0
mprotect p1 0 1 r
setup p0 0 8 d0 to-dev
read p1 3
