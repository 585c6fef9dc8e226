# The split of the huge page, which page 9 causes, maps the zero page at page 8. The migration has
# passed page 8 by then, and does not collect it.
thp always
mmap p0 2 14 rw
exclusive d0 p0 4 5
setup p0 2 8 d0 to-dev
mmap p0 0 1 none
