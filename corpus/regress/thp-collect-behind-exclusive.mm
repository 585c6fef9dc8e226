# The migration skips page 8, whose entry is device-exclusive, and splits the huge page when it
# reaches page 9. The split maps the zero page at page 8, but the migration does not go back there.
thp always
mmap p0 2 14 rw
exclusive d0 p0 4 5
setup p0 2 8 d0 to-dev
mmap p0 0 1 none
